"""The pages that nginx answers with where APISIX says a status and nothing else."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

CONTENT_TYPE = "text/html; charset=utf-8"

_TITLES: Mapping[int, str] = MappingProxyType(
    {
        401: "Authorization Required",
        405: "Not Allowed",
        408: "Request Time-out",
        413: "Request Entity Too Large",
        414: "Request-URI Too Large",
        416: "Requested Range Not Satisfiable",
        503: "Service Temporarily Unavailable",
        504: "Gateway Time-out",
    }
)
"""Where nginx has its own words for a status."""

_KNOWN = frozenset((*range(400, 407), *range(408, 417), 421, 429, 500, 501, 502, 503, 504, 505, 507))
"""The statuses that nginx has a page for."""


def render_page(status: int) -> str:
    """The page for a status; empty for one that nginx has none for."""
    if status not in _KNOWN:
        return ""
    title = f"{status} {_TITLES.get(status) or HTTPStatus(status).phrase}"
    lines = (
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{title}</h1></center>",
        "<hr><center>openresty</center>",
        '<p><em>Powered by <a href="https://apisix.apache.org/">APISIX</a>.</em></p></body>',
        "</html>",
        "",
    )
    return "\r\n".join(lines)
