"""Answers that Envoy gives by itself to AI requests, in the format of the API that was asked.

Which one is in the metadata of the route, so that plain routes beside AI routes keep their plain answers. The status
stays, and so do headers such as `retry-after`. What a provider answers is left as it is.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/local_reply
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from anygate.envoy.api import build, struct, typed
from anygate.envoy.names import ORIGIN
from anygate.model.inference_answers import ERROR_FORMATS, KNOWN_STATUSES, ErrorFormat, error_body, error_type
from anygate.model.route import HttpRule

_CONFIG = "envoy.extensions.filters.network.http_connection_manager.v3.LocalReplyConfig"
_CEL = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
_MESSAGE = "%LOCAL_REPLY_BODY%"
_MISSING = "The provider of this model is not configured."
_OWN_WORDS = {
    413: "The body of the request is larger than this gateway takes.",
    429: "The limit of requests or tokens is reached; try again later.",
}
"""Where Envoy says nothing, or little; these statuses have no part of the request to blame either."""

_FIRST_SERVER_ERROR = 500


def build_local_replies(rules: Sequence[HttpRule]) -> Any:
    """Build the LocalReplyConfig where a rule is one of AI requests."""
    return _config() if any(rule.inference for rule in rules) else None


@cache
def _config() -> Any:
    return build(_CONFIG, mappers=list(_mappers()))


def _mappers() -> Iterator[dict[str, Any]]:
    """The first whose filter holds has its way. Envoy has no words of its own for a cluster that is not there."""
    for wanted in ERROR_FORMATS:
        yield _mapper(wanted, _FIRST_SERVER_ERROR, [_route(wanted, " && response.code_details == 'cluster_not_found'")])
        special = [
            one
            for one in KNOWN_STATUSES
            if one in _OWN_WORDS or error_type(wanted, one) != error_type(wanted, _general(one))
        ]
        for status in special:
            yield _mapper(wanted, status, [_route(wanted), _status("EQ", status)])
        yield _mapper(wanted, _FIRST_SERVER_ERROR, [_route(wanted), _status("GE", _FIRST_SERVER_ERROR)])
        yield _mapper(wanted, 400, [_route(wanted)])


def _general(status: int) -> int:
    """A status of the same class that has no error type of its own."""
    return _FIRST_SERVER_ERROR if status >= _FIRST_SERVER_ERROR else 418


def _mapper(wanted: ErrorFormat, status: int, conditions: list[dict[str, Any]]) -> dict[str, Any]:
    """A mapper. In JSON formats Envoy writes null for metadata that is not there, and escapes what is."""
    message = _MISSING if len(conditions) == 1 and status == _FIRST_SERVER_ERROR else _OWN_WORDS.get(status, _MESSAGE)
    keys = (None if status in _OWN_WORDS else f"%METADATA(ROUTE:{ORIGIN}:{key})%" for key in ("param", "code"))
    param, code = keys
    body = error_body(wanted, status, message, param, code)
    return {
        "filter": conditions[0] if len(conditions) == 1 else {"and_filter": {"filters": conditions}},
        "body_format_override": {"json_format": struct(body)},
    }


def _route(wanted: ErrorFormat, more: str = "") -> dict[str, Any]:
    expression = f"xds.route_metadata.filter_metadata['{ORIGIN}'].errors == '{wanted}'{more}"
    return {"extension_filter": {"name": "route", "typed_config": typed(_CEL, expression=expression)}}


def _status(operator: str, status: int) -> dict[str, Any]:
    value = {"default_value": status, "runtime_key": "anygate.unused"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}
