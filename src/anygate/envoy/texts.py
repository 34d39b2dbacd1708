"""Texts of the model in Envoy's substitution format.

https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/substitution_formatter
"""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.model.text import Kind, SecretValue, Text, Value, Variable

_OPERATORS: Mapping[Kind, str] = MappingProxyType(
    {
        "header": "REQ({})",
        "query": "QUERY_PARAM({})",
        "client_address": "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        "client_port": "DOWNSTREAM_REMOTE_PORT",
        "server_address": "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        "server_port": "DOWNSTREAM_LOCAL_PORT",
        "host": "REQ(:AUTHORITY)",
        "path": "PATH(NQ)",
        "target": "PATH(WQ)",
        "query_string": "QUERY_PARAMS(ORIG)",
        "method": "REQ(:METHOD)",
        "scheme": "REQ(:SCHEME)",
        "protocol": "PROTOCOL",
        "status": "RESPONSE_CODE",
        "endpoint": "UPSTREAM_HOST",
        "time": "START_TIME(%s)",
        "unique_id": "UNIQUE_ID",
    }
)


def literal(value: str) -> str:
    """Escape a value so that Envoy's substitution formatter leaves it as it is."""
    return value.replace("%", "%%")


def render_text(value: Value) -> str:
    """A text in the format of Envoy's formatter; what a request does not have is empty there.

    One with secrets only means something beside `build_formatters` (`filters/secrets.py`).
    """
    if isinstance(value, Text):
        return "".join(map(_render_part, value.parts))
    return literal(value)


def _render_part(part: str | Variable | SecretValue) -> str:
    if isinstance(part, SecretValue):
        return f"%SECRET({part.secret})%"
    return _operator(part) if isinstance(part, Variable) else literal(part)


def _operator(variable: Variable) -> str:
    return f"%{_OPERATORS[variable.kind].format(variable.name)}%"
