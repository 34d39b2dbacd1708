"""Answers that Envoy gives by itself: to AI requests in the format of the API that was asked, and with other statuses
where a server asks for them.

Which format is in the metadata of the route, so that plain routes beside AI routes keep their plain answers. The status
stays, and so do headers such as `retry-after`. What a provider answers is left as it is.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/local_reply
"""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from anygate.envoy.api import build, struct, typed, uint32
from anygate.envoy.names import LIMIT_WORDS, ORIGIN
from anygate.envoy.wordings import Look, looks_of, wording_mappers
from anygate.model.inference_answers import ERROR_FORMATS, KNOWN_STATUSES, ErrorFormat, error_body, error_type
from anygate.model.listener import HttpServer
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
_UNAVAILABLE = 503


def build_local_replies(http: HttpServer, rules: Sequence[HttpRule]) -> Any:
    """Build the LocalReplyConfig for AI requests, for rules with their own words, and for statuses of connections."""
    statuses = (http.connect_timeout_status, http.connect_failure_status)
    inference, worded = (
        any(rule.inference for rule in rules),
        any(rule.inference and words_limits(rule) for rule in rules),
    )
    return _config(inference, worded, *statuses, looks_of(http, rules))


def words_limits(rule: HttpRule) -> bool:
    """Whether those whom a limit of a rule refuses are told so in its own words."""
    limits = rule.rate_limit.rules if rule.rate_limit else ()
    return any(limit.answer and limit.answer.body for limit in limits)


@cache
def _config(inference: bool, worded: bool, timeout_status: int, failure_status: int, looks: tuple[Look, ...]) -> Any:
    connection = _connection_mappers(timeout_status, failure_status)
    limits = [_leave_limits()] if worded else []
    mappers = [*wording_mappers(looks), *connection, *limits, *(_mappers() if inference else ())]
    return build(_CONFIG, mappers=mappers) if mappers else None


def _connection_mappers(timeout_status: int, failure_status: int) -> Iterator[dict[str, Any]]:
    """Tried on Envoy 1.40: the details of the answer tell a connection that timed out from one that was refused."""
    if timeout_status != _UNAVAILABLE:
        expression = "response.code_details.contains('connection_timeout')"
        config = typed(_CEL, expression=expression)
        timed_out = {"extension_filter": {"name": "details", "typed_config": config}}
        yield {"filter": timed_out, "status_code": uint32(timeout_status)}
    if failure_status != _UNAVAILABLE:
        failed = {"response_flag_filter": {"flags": ["UF"]}}
        yield {"filter": failed, "status_code": uint32(failure_status)}


def _leave_limits() -> dict[str, Any]:
    """The mapper that leaves what the rate-limit service answers as it is."""
    expression = (
        f"response.code_details == 'request_rate_limited'"
        f" && xds.route_metadata.filter_metadata['{ORIGIN}'].{LIMIT_WORDS} == 'own'"
    )
    return {"filter": {"extension_filter": {"name": "limit", "typed_config": typed(_CEL, expression=expression)}}}


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
