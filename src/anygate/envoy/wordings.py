"""Refusals in the words of a gateway: what a route's metadata says about them, and how answers are made of that.

Every refusal has a detail by which Envoy tells what refused it (`RESPONSE_CODE_DETAILS`). A route's metadata holds the
words for those that it has words for, so the mappers are the same whatever the routes say.

Tried on Envoy 1.40: `%CEL(...)%` in a mapper reads the metadata of the route; a content type that a mapper adds as a
header is lost, so there is one mapper for each status and content type; a mapper cannot read the status either.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/local_reply
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from anygate.envoy.api import serialise, struct, typed, uint32
from anygate.envoy.cel_grammar import quote
from anygate.envoy.wire import part
from anygate.model.listener import HttpServer
from anygate.model.route import HttpRule
from anygate.model.wording import PLAIN_TEXT, Cause, Wording

NAMESPACE = "anygate.refusals"
"""The namespace of route metadata with the words."""

_CEL = "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
_DETAILS: Mapping[Cause, str] = MappingProxyType(
    {
        "key_missing": "missing_api_key",
        "key_unknown": "unknown_api_key",
        "password_missing": "no_credential_for_basic_auth",
        "password_wrong": "invalid_credential_for_basic_auth",
        "password_elsewhere": "invalid_scheme_for_basic_auth",
        "password_unreadable": "invalid_format_for_basic_auth",
        "token_missing": "jwt_authn_access_denied{Jwt_is_missing}",
        "token_wrong": "token_wrong",
        "login_missing": "login_missing",
        # A script of ours says these by itself.
        "scope_missing": "scope_missing",
        "audience_wrong": "audience_wrong",
        "body_too_large": "request_payload_too_large",
    }
)
"""Envoy's words for causes; two of them have many in Envoy, which are looked for under ours."""

_DETAIL = (
    "(response.code_details.startsWith('jwt_authn_access_denied{')"
    " && response.code_details != 'jwt_authn_access_denied{Jwt_is_missing}'"
    " ? 'token_wrong' : response.code_details.startsWith('Unauthorized,') ? 'login_missing' : response.code_details)"
)
_WORDS = f"xds.route_metadata.filter_metadata['{NAMESPACE}'][{_DETAIL}]"


class Look(NamedTuple):
    """What a mapper cannot read from the route: the status (0: it stays) and the content type of an answer."""

    status: int
    content_type: str


_HTML = "text/html; charset=utf-8"
_USUAL = (Look(0, PLAIN_TEXT), Look(401, PLAIN_TEXT), Look(404, PLAIN_TEXT), Look(0, _HTML), Look(401, _HTML))
"""Those that are always there where the gateway says who calls, so that listeners do not change with their routes."""


def looks_of(http: HttpServer, rules: Sequence[HttpRule]) -> tuple[Look, ...]:
    """The looks of all refusals that a server may give."""
    found = {_look(wording) for rule in rules for wording in rule.wordings}
    return tuple(sorted(found.union(_USUAL if http.caller_headers else ())))


def wording_mappers(looks: Sequence[Look]) -> Iterator[dict[str, Any]]:
    """Build a ResponseMapper for each look."""
    challenge = {"header": {"key": "www-authenticate", "value": f"%CEL({_WORDS}.challenge)%"}}
    for look in looks:
        expression = f"{_WORDS}.look == {quote(_key(look))}"
        yield {
            "filter": {"extension_filter": {"name": "details", "typed_config": typed(_CEL, expression=expression)}},
            "status_code": uint32(look.status or None),
            "body_format_override": {
                "text_format_source": {"inline_string": f"%CEL({_WORDS}.body)%"},
                "content_type": look.content_type,
            },
            "headers_to_add": [{**challenge, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}],
        }


def wording_metadata(rule: HttpRule) -> bytes:
    """What the metadata of a rule's routes says: one entry of `filter_metadata`, serialised."""
    if not rule.wordings:
        return b""
    words = {
        _detail(wording): {"look": _key(_look(wording)), "body": wording.body, "challenge": wording.challenge}
        for wording in rule.wordings
    }
    return part(1, part(1, NAMESPACE.encode()) + part(2, serialise(struct(words))))


def _detail(wording: Wording) -> str:
    if wording.cause == "denied":
        return f"rbac_access_denied_matched_policy[{wording.rule}]"
    return _DETAILS[wording.cause]


def _look(wording: Wording) -> Look:
    return Look(wording.status or 0, wording.content_type)


def _key(look: Look) -> str:
    return f"{look.status} {look.content_type}"
