"""The order of the Gateway API, on what is about to be written: the same ranks as when it is read back."""

import re

from anygate.dialects.gateway_api.matches import grpc_rank, http_rank
from anygate.dialects.gateway_api.write.conditions import Wanted, write_path
from anygate.dialects.gateway_api.write.order import Entry, Rank
from anygate.model.match import PathMatch

_ANY_ELEMENT = "[^/]+"
_GRPC_TYPE = "application/grpc"


def rank_http(entry: Entry) -> Rank:
    """Where an HTTPRoute's match stands; a cookie counts as a header."""
    wanted = entry.wanted
    path = write_path(wanted.path, entry.longer_than)
    headers = len(wanted.headers) + len(wanted.cookies)
    return http_rank(path.type, len(path.value), bool(wanted.method), headers, len(wanted.query))


def rank_grpc(entry: Entry) -> Rank:
    """Where a GRPCRoute's match stands."""
    call = read_call(entry.wanted.path)
    assert call is not None
    return grpc_rank(call[0], call[1], call[2], len(without_type(entry.wanted).headers))


def read_call(path: PathMatch | None) -> tuple[str, str, str] | None:
    """The kind of a gRPC method match, its service and its method; None for a path that no such match has."""
    if path is None:
        return "Exact", "", ""
    if path.ignore_case:
        return None
    parts = path.value.split("/")
    if path.kind == "exact" and len(parts) == 3 and all(parts[1:]):
        return "Exact", parts[1], parts[2]
    if path.kind == "string_prefix" and len(parts) == 3 and parts[1] and not parts[2]:
        return "Exact", parts[1], ""
    if path.kind != "regex":
        return None
    if path.value.startswith(f"/{_ANY_ELEMENT}/"):
        method = path.value.removeprefix(f"/{_ANY_ELEMENT}/")
        return "RegularExpression", "", "" if method == _ANY_ELEMENT else method
    if path.value.endswith(f"/{_ANY_ELEMENT}"):
        return "RegularExpression", path.value[1:].removesuffix(f"/{_ANY_ELEMENT}"), ""
    return ("RegularExpression", parts[1], parts[2]) if len(parts) == 3 else None


def asks_for_grpc(wanted: Wanted) -> bool:
    """Whether only gRPC calls meet the conditions."""
    return any(_is_type(one.name, one.value) for one in wanted.headers)


def without_type(wanted: Wanted) -> Wanted:
    """The conditions without the one on the content type, which a GRPCRoute brings with it."""
    return wanted._replace(headers=tuple(one for one in wanted.headers if not _is_type(one.name, one.value)))


def _is_type(name: str, value: str) -> bool:
    return name == "content-type" and re.sub(r"\(\?:.*\)\?$", "", value) == _GRPC_TYPE
