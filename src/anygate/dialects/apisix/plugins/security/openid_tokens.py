"""The tokens that clients bring to openid-connect: checked with keys, or looked up at the provider."""

import json
from base64 import b64encode
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote_plus, urlencode

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import with_denials, with_security, with_wordings
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.key_sets import public_key_set
from anygate.dialects.apisix.plugins.security.openid_config import OpenIdConfig
from anygate.dialects.apisix.plugins.security.openid_page import say_page
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.dialects.url_backend import build_url_backend
from anygate.manifests.discovery import Endpoints
from anygate.manifests.sensitive import Sensitive
from anygate.model.route import HttpRule
from anygate.model.security import AuthorizationRule, Introspection, Jwt, JwtProvider, Principal
from anygate.model.tls import Opaque
from anygate.model.wording import Wording

_DENIED = "openid-connect"
_OURS = frozenset(("authorization", "host", "content-type", "content-length", "transfer-encoding", "connection", "te"))
"""Headers of a call that requests have no say in."""


def want_token(
    config: OpenIdConfig, rule: HttpRule, endpoints: Endpoints, surroundings: Surroundings
) -> HttpRule | Refusal:
    """The rule for requests with a good token, and what all others are told."""
    if rule.security and (rule.security.jwt or rule.security.introspection):
        return Refusal(GUARD_UNSUPPORTED, "another plugin of the route checks tokens already")
    challenge = f'Bearer realm="{config.realm}"'
    if config.has_keys:
        wrong = say_page("token_wrong", f'{challenge}, error="invalid_token"')
        made = _check(config, rule, endpoints, surroundings)
    else:
        said = ', error="invalid_token", error_description="invalid token"'
        wrong = say_page("token_wrong", challenge + said)
        made = _look_up(config, rule, endpoints, surroundings)
    return made if isinstance(made, Refusal) else with_wordings(made, say_page("token_missing", challenge), wrong)


def _look_up(
    config: OpenIdConfig, rule: HttpRule, endpoints: Endpoints, surroundings: Surroundings
) -> HttpRule | Refusal:
    endpoint = config.introspection_endpoint or endpoints.introspection
    backend = build_url_backend(endpoint, surroundings.origin, verify=config.ssl_verify)
    if backend is None:
        text = "no endpoint of the provider is known that can be asked about tokens"
        place = ("introspection_endpoint",) if config.introspection_endpoint else ("bearer_only",)
        hint = "name it in introspection_endpoint, or set use_jwks where tokens are signed"
        return Refusal(GUARD_UNSUPPORTED, text, hint, place)
    method = config.introspection_endpoint_auth_method
    if method not in ("client_secret_basic", "client_secret_post"):
        text = "the client proves who it is by its secret only: client_secret_basic or client_secret_post"
        return Refusal(GUARD_UNSUPPORTED, text, path=("introspection_endpoint_auth_method",))
    if config.claim_validator and config.claim_validator.issuer:
        text = "the provider itself says which tokens are good; APISIX asks for no issuer then"
        surroundings.note(NOT_HONOURED, text, ("claim_validator", "issuer"))
    if "token_signing_alg_values_expected" in config.model_fields_set:
        text = "the provider is asked about tokens, however they are signed"
        surroundings.note(NOT_HONOURED, text, ("token_signing_alg_values_expected",))
    headers = tuple(name.lower() for name in config.introspection_addon_headers)
    for name in sorted(_OURS.intersection(headers)):
        text = f"{name} is the gateway's own in its call of the provider"
        surroundings.note(NOT_HONOURED, text, ("introspection_addon_headers",))
    audience = config.claim_validator.audience if config.claim_validator else None
    lookup = Introspection(
        origin=surroundings.origin,
        endpoint=endpoint,
        backend=surroundings.add_backend(backend),
        credential=_credential(config, rule, surroundings),
        in_body=method == "client_secret_post",
        headers=tuple(name for name in headers if name not in _OURS),
        timeout=config.patience,
        expiry_claim=config.introspection_expiry_claim,
        longest=timedelta(seconds=config.introspection_interval) if config.introspection_interval > 0 else None,
        scopes=config.required_scopes,
        audience=config.client_id if audience and audience.match_with_client_id else "",
        audience_claim=audience.claim if audience else "aud",
        audience_required=bool(audience and audience.required),
    )
    rule = with_security(rule, surroundings.origin, introspection=lookup)
    if lookup.scopes:
        rule = with_wordings(rule, Wording(cause="scope_missing", body=_scopes_missing(config), status=403))
    if audience:
        said = "mismatched audience" if audience.match_with_client_id else "required audience claim not present"
        rule = with_wordings(rule, Wording(cause="audience_wrong", body=_error(said), status=403))
    return rule


def _credential(config: OpenIdConfig, rule: HttpRule, surroundings: Surroundings) -> str:
    """By what the provider knows us (RFC 6749, section 2.3.1), under a name that can stand in a text of Envoy's."""
    assert config.client_secret is not None
    secret = config.client_secret.reveal()
    if config.introspection_endpoint_auth_method == "client_secret_post":
        value = urlencode({"client_id": config.client_id, "client_secret": secret})
    else:
        pair = f"{quote_plus(config.client_id)}:{quote_plus(secret)}"
        value = f"Basic {b64encode(pair.encode()).decode()}"
    place = f"{surroundings.owner.namespace}/{surroundings.owner.name}/{rule.name}"
    name = f"apisix/introspection/{sha256(place.encode()).hexdigest()[:16]}"
    held = Opaque(origin=surroundings.origin, name=name, value=Sensitive(value.encode()))
    return surroundings.add_secret(held)


def _check(
    config: OpenIdConfig, rule: HttpRule, endpoints: Endpoints, surroundings: Surroundings
) -> HttpRule | Refusal:
    _note_fields(config, surroundings)
    keys = _keys(config, endpoints, surroundings)
    if isinstance(keys, Refusal):
        return keys
    audience = config.claim_validator.audience if config.claim_validator else None
    if audience and (audience.claim != "aud" or (audience.required and not audience.match_with_client_id)):
        text = "the audience can only be compared with client_id, in the claim aud"
        return Refusal(GUARD_UNSUPPORTED, text, path=("claim_validator", "audience"))
    valid = config.claim_validator.issuer if config.claim_validator else None
    here = surroundings.origin
    providers = tuple(
        JwtProvider(
            origin=here,
            name=f"issuer-{number}",
            issuer=issuer,
            audiences=(config.client_id,) if audience and audience.match_with_client_id else (),
            from_headers=(("authorization", "Bearer "), ("authorization", "bearer ")),
            clock_skew=None if config.iat_slack is None else timedelta(seconds=config.iat_slack),
            **keys,
        )
        for number, issuer in enumerate(valid.valid_issuers if valid else (endpoints.issuer,))
    )
    rule = with_security(rule, here, jwt=Jwt(origin=here, providers=providers))
    return _want_scopes(config, rule, providers, surroundings) if config.required_scopes else rule


def _note_fields(config: OpenIdConfig, surroundings: Surroundings) -> None:
    written = config.model_fields_set
    for name in sorted(one for one in written if one.startswith("introspection_")):
        surroundings.note(NOT_HONOURED, "tokens are checked with keys, and the provider is not asked", (name,))
    if config.accept_none_alg:
        text = "a token without a signature is never good"
        surroundings.note(NOT_HONOURED, text, ("accept_none_alg",))
    if "timeout" in written and config.use_jwks and config.bearer_only:
        text = "keys are fetched before they are needed, and the provider has 10s for them"
        surroundings.note(NOT_HONOURED, text, ("timeout",))


def _keys(config: OpenIdConfig, endpoints: Endpoints, surroundings: Surroundings) -> dict[str, Any] | Refusal:
    """The fields of a provider that say what its tokens are checked with."""
    if config.public_key:
        found = public_key_set(config.public_key, config.token_signing_alg_values_expected or "")
        if not found:
            return Refusal(GUARD_UNSUPPORTED, "it is no public key in PEM", path=("public_key",))
        return {"jwks": found}
    if config.token_signing_alg_values_expected is not None:
        text = "a token may be signed in any way that its key in the provider's key set allows"
        surroundings.note(NOT_HONOURED, text, ("token_signing_alg_values_expected",))
    backend = build_url_backend(endpoints.keys, surroundings.origin, verify=config.ssl_verify)
    if backend is None:
        text = f"the provider at {config.discovery} has no key set to check tokens with"
        return Refusal(GUARD_UNSUPPORTED, text, path=("discovery",))
    kept = {"jwks_cache": timedelta(seconds=config.jwk_expires_in)} if config.jwk_expires_in else {}
    return {"jwks_uri": endpoints.keys, "jwks_backend": surroundings.add_backend(backend), **kept}


def _want_scopes(
    config: OpenIdConfig, rule: HttpRule, providers: Sequence[JwtProvider], surroundings: Surroundings
) -> HttpRule | Refusal:
    if len(providers) > 1:
        text = "the scopes can only be checked of tokens of one issuer"
        return Refusal(GUARD_UNSUPPORTED, text, path=("required_scopes",))
    principal = Principal(jwt_provider=providers[0].name, missing_scopes=config.required_scopes)
    row = AuthorizationRule(origin=surroundings.origin, name=_DENIED, allow=False, principal=principal)
    authorization = with_denials(surroundings.origin, rule.security.authorization if rule.security else None, [row])
    rule = with_security(rule, surroundings.origin, authorization=authorization)
    return with_wordings(rule, Wording(cause="denied", rule=_DENIED, body=_scopes_missing(config)))


def _scopes_missing(config: OpenIdConfig) -> str:
    return _error(f"required scopes {', '.join(config.required_scopes)} not present")


def _error(text: str) -> str:
    return json.dumps({"error": text}) + "\n"
