"""openid-connect: a login in the browser, or tokens that clients bring.

https://apisix.apache.org/docs/apisix/plugins/openid-connect/
"""

from collections.abc import Iterator, Sequence

import msgspec

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import matches_of, with_security, with_wordings, without_headers
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.openid_config import (
    OTHER_FIELDS,
    REFUSED_FIELDS,
    SESSION_FIELDS,
    OpenIdConfig,
)
from anygate.dialects.apisix.plugins.security.openid_login import ID_TOKEN, RAW_ID_TOKEN, want_login
from anygate.dialects.apisix.plugins.security.openid_page import say_page
from anygate.dialects.apisix.plugins.security.openid_tokens import want_token
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED, OPENID_SECRET
from anygate.dialects.openid_provider import Unknown, find_endpoints
from anygate.manifests.discovery import Endpoints
from anygate.model.match import ValueMatch
from anygate.model.route import HttpRule

_ACCESS_TOKEN, _USERINFO = "x-access-token", "x-userinfo"
_TOLD = (_ACCESS_TOKEN, ID_TOKEN, _USERINFO, "x-refresh-token", RAW_ID_TOKEN)
_BEARER = ValueMatch(name="authorization", kind="regex", value="(?i)bearer .*")
_SHORTEST_SECRET = 16


class OpenIdConnect:
    """Envoy logs in by itself. A rule that takes tokens besides becomes two: who brings one is not sent to log in."""

    name = "openid-connect"
    config = OpenIdConfig
    is_guard = True

    def apply(
        self, config: OpenIdConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want a login or a token."""
        for name, why in REFUSED_FIELDS.items():
            if name in config.model_fields_set:
                return Refusal(GUARD_UNSUPPORTED, why, path=(name,))
        lacking = _find_lacking(config, surroundings)
        if lacking is not None:
            return lacking
        endpoints = find_endpoints(surroundings.index, config.discovery, verify=config.ssl_verify)
        if isinstance(endpoints, Unknown):
            return Refusal(endpoints.rule, endpoints.message, endpoints.hint, ("discovery",))
        _note_fields(config, surroundings)
        made = list(_split(config, rule, endpoints, surroundings))
        refused = next((one for one in made if isinstance(one, Refusal)), None)
        return refused or [_tell(config, one, surroundings) for one in made if isinstance(one, HttpRule)]


def _split(
    config: OpenIdConfig, rule: HttpRule, endpoints: Endpoints, surroundings: Surroundings
) -> Iterator[HttpRule | Refusal]:
    """The rule for those who bring a token, and the one for all others, who log in."""
    if config.takes_tokens:
        matches = tuple(
            match if config.bearer_only else msgspec.structs.replace(match, headers=(*match.headers, _BEARER))
            for match in matches_of(rule)
        )
        asked = rule if config.bearer_only else msgspec.structs.replace(rule, matches=matches)
        yield want_token(config, asked, endpoints, surroundings)
    if not config.bearer_only:
        made = want_login(config, rule, endpoints, surroundings)
        yield made if isinstance(made, Refusal) else with_wordings(made, say_page("login_missing"))


def _tell(config: OpenIdConfig, rule: HttpRule, surroundings: Surroundings) -> HttpRule:
    """The rule with what its backend gets to know, and nothing that a client says in these headers."""
    assert rule.security is not None
    oidc = rule.security.oidc
    has_access_token = config.set_access_token_header and not config.access_token_in_authorization_header
    has_userinfo = config.set_userinfo_header and (oidc is None or bool(oidc.userinfo_endpoint))
    told = {
        _ACCESS_TOKEN: has_access_token,
        _USERINFO: has_userinfo,
        ID_TOKEN: oidc is not None and bool(oidc.id_claims_header),
        RAW_ID_TOKEN: oidc is not None and bool(oidc.id_token_header),
    }
    rule = with_security(
        rule,
        surroundings.origin,
        access_token_header=_ACCESS_TOKEN if has_access_token else "",
        userinfo_header=_USERINFO if has_userinfo else "",
    )
    hidden = [name for name in _TOLD if not told.get(name)]
    # Envoy has put the access token of a login there.
    hidden += ["authorization"] if oidc is not None and has_access_token else []
    return without_headers(rule, hidden)


def _find_lacking(config: OpenIdConfig, surroundings: Surroundings) -> Refusal | None:
    """Why the plugin lacks a secret that APISIX does not take it without."""
    session = config.session.secret if config.session else None
    if session is not None and len(session.reveal()) < _SHORTEST_SECRET:
        text = f"session.secret is shorter than {_SHORTEST_SECRET} characters"
        return Refusal(OPENID_SECRET, text, "make it longer", ("session", "secret"))
    lacking = []
    if config.client_secret is None and not (config.bearer_only and config.has_keys):
        lacking.append("client_secret")
    if session is None and not config.bearer_only:
        lacking.append("session.secret")
    if not lacking:
        return None
    named = " and ".join(lacking)
    if surroundings.secret:
        return Refusal(OPENID_SECRET, f"the Secret {surroundings.secret} lacks {named}", "add it under that name")
    return Refusal(OPENID_SECRET, f"{named} must come from a Secret, and none is named", "name it in secretRef")


def _note_fields(config: OpenIdConfig, surroundings: Surroundings) -> None:
    for name, why in OTHER_FIELDS.items():
        if name in config.model_fields_set:
            surroundings.note(NOT_HONOURED, why, (name,))
    for name, why in SESSION_FIELDS.items():
        if config.session is not None and name in config.session.model_fields_set:
            surroundings.note(NOT_HONOURED, why, ("session", name))
    if config.bearer_only and config.unauth_action != "auth":
        text = "bearer_only wants a token of everybody, in APISIX too"
        surroundings.note(NOT_HONOURED, text, ("unauth_action",))
