"""What Envoy sends to an external processor, and what it is answered.

https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_proc_filter
"""

from typing import Any

NAME = "envoy.service.ext_proc.v3.ExternalProcessor"
REQUEST = "envoy.service.ext_proc.v3.ProcessingRequest"
RESPONSE = "envoy.service.ext_proc.v3.ProcessingResponse"
_OVERWRITE = 2  # OVERWRITE_IF_EXISTS_OR_ADD


def find_order(context: Any, key: str) -> str:
    """What the settings of a route say in the metadata of a call; empty if they say nothing."""
    return next((value for name, value in context.invocation_metadata() if name == key), "")


def read_headers(part: Any) -> list[tuple[str, bytes]]:
    """The headers in an `HttpHeaders`, in their order, with lower-case names."""
    return [(one.key, one.raw_value or one.value.encode()) for one in part.headers.headers]


def set_header(mutation: Any, name: str, value: bytes) -> None:
    """Have a header set in place of all that there are of its name."""
    option = mutation.set_headers.add()
    option.header.key, option.header.raw_value = name, value
    option.append_action = _OVERWRITE
