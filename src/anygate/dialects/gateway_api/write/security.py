"""Who may call, as a SecurityPolicy."""

import re
from typing import Any

from anygate.dialects.gateway_api.write.backends import Backends
from anygate.dialects.gateway_api.write.connections import write_connection
from anygate.dialects.gateway_api.write.findings import SECURITY, SETTING
from anygate.dialects.gateway_api.write.sayable import close, is_sayable
from anygate.dialects.gateway_api.write.words import given, span
from anygate.dialects.gateway_api.write.writing import Writing
from anygate.model.backend import Connection
from anygate.model.folded_authorization import fold_authorization
from anygate.model.security import (
    ApiKeyAuth,
    Authorization,
    AuthorizationRule,
    ExtAuth,
    Jwt,
    JwtProvider,
    Oidc,
    Principal,
    Security,
)

_HOW = {"exact": "Exact", "prefix": "Prefix", "suffix": "Suffix", "regex": "RegularExpression"}
_KIND = "SecurityPolicy"


class SecurityWords:
    """Writes what requests have to pass."""

    def __init__(self, writing: Writing, backends: Backends) -> None:
        self._writing = writing
        self._backends = backends

    def write(self, found: Security, namespace: str) -> dict[str, Any]:
        """The settings of a policy."""
        given_as = found
        found = fold_authorization(found)
        if not is_sayable(found):
            # What is lost is named field by field. A policy that is refused would leave the rule open.
            return self.write(close(found), namespace)
        if given_as.admission is not None and found.admission is None and _recognises(found):
            text = "addresses are looked at once somebody is recognised, and a stranger may be asked first"
            self._writing.losses.add(SETTING, given_as.admission.origin, text)
        if given_as.handover is not None:
            names = ", ".join(name for name, _ in given_as.handover.rules)
            text = f"requests of {names} cannot be decided by rules of their own, and are refused"
            self._writing.losses.add(SECURITY, given_as.handover.origin, text)
        if given_as.caller is not None and found.caller is None:
            text = f"the backend is no longer told in {given_as.caller.header} who calls"
            self._writing.losses.add(SETTING, given_as.caller.origin, text)
        basic = found.basic
        return given(
            basic_auth=given(
                users=self._secret(basic.secret, namespace), forward_username_header=basic.forward_header or None
            )
            if basic
            else None,
            api_key_auth=self._write_api_key(found.api_key, namespace) if found.api_key else None,
            jwt=self._write_jwt(found.jwt, namespace) if found.jwt else None,
            oidc=self._write_oidc(found.oidc, namespace) if found.oidc else None,
            ext_auth=self._write_ext_auth(found.ext_auth, namespace) if found.ext_auth else None,
            authorization=_write_authorization(found.authorization) if found.authorization else None,
        )

    def _secret(self, name: str, namespace: str) -> dict[str, Any]:
        return self._writing.secret(name, _KIND, namespace)

    def _write_api_key(self, found: ApiKeyAuth, namespace: str) -> dict[str, Any]:
        sources = given(
            headers=list(found.headers) or None,
            params=list(found.query) or None,
            cookies=list(found.cookies) or None,
        )
        return given(
            credential_refs=[self._secret(one, namespace) for one in found.secrets],
            extract_from=[{place: names} for place, names in sources.items()],
            forward_client_id_header=found.forward_header or None,
            sanitize=found.sanitize or None,
        )

    def _write_jwt(self, found: Jwt, namespace: str) -> dict[str, Any]:
        providers = [self._write_provider(one, namespace) for one in found.providers]
        return given(optional=found.optional or None, providers=providers)

    def _write_provider(self, found: JwtProvider, namespace: str) -> dict[str, Any]:
        remote = None
        if found.jwks_uri:
            cache = span(found.jwks_cache)
            remote = given(uri=found.jwks_uri, cache_duration=cache, **self._cluster(found.jwks_backend, namespace))
        from_ = given(
            headers=[given(name=name, value_prefix=prefix or None) for name, prefix in found.from_headers] or None,
            params=list(found.from_params) or None,
            cookies=list(found.from_cookies) or None,
        )
        return given(
            name=found.name,
            issuer=found.issuer or None,
            audiences=list(found.audiences) or None,
            remote_jwks=remote,
            local_jwks={"type": "Inline", "inline": found.jwks} if found.jwks else None,
            claim_to_headers=[{"claim": claim, "header": header} for claim, header in found.claim_to_headers] or None,
            recompute_route=found.recompute_route or None,
            extract_from=from_,
        )

    def _cluster(self, name: str, namespace: str) -> dict[str, Any]:
        """A service that Envoy itself calls; the host of a URL needs no words."""
        backend = self._writing.backends.get(name)
        if backend is None or (name.startswith("url/") and backend.connection == Connection()):
            return {}
        made: dict[str, Any] = {"backend_refs": [self._backends.refer(name, _KIND, namespace)]}
        settings = write_connection(backend.connection)
        return {**made, "backend_settings": settings} if settings else made

    def _write_oidc(self, found: Oidc, namespace: str) -> dict[str, Any]:
        provider = given(
            issuer=found.issuer,
            authorization_endpoint=found.authorization_endpoint or None,
            token_endpoint=found.token_endpoint or None,
            end_session_endpoint=found.end_session_endpoint or None,
            **self._cluster(found.token_backend, namespace),
        )
        default = "%REQ(x-forwarded-proto)%://%REQ(:authority)%/oauth2/callback"
        cookies = {re.sub("_(.)", lambda part: part[1].upper(), name): value for name, value in found.cookie_names}
        deny = [given(name=one.name, type=_HOW[one.kind], value=one.value) for one in found.deny_redirect]
        return given(
            provider=provider,
            client_id=found.client_id,
            client_secret=self._secret(found.client_secret, namespace),
            scopes=list(found.scopes) if found.scopes != ("openid",) else None,
            resources=list(found.resources) or None,
            redirect_url=found.redirect_url if found.redirect_url != default else None,
            logout_path=found.logout_path,
            forward_access_token=found.forward_access_token or None,
            refresh_token=None if found.refresh_token else False,
            default_token_ttl=span(found.default_token_ttl),
            default_refresh_token_ttl=span(found.default_refresh_token_ttl),
            csrf_token_ttl=span(found.csrf_token_ttl),
            cookie_domain=found.cookie_domain or None,
            cookie_names=cookies,
            cookie_config={"sameSite": found.same_site} if found.same_site else None,
            deny_redirect={"headers": deny} if deny else None,
            pass_through_auth_header=found.pass_through_auth_header or None,
            disable_token_encryption=found.disable_token_encryption or None,
        )

    def _write_ext_auth(self, found: ExtAuth, namespace: str) -> dict[str, Any]:
        service = given(**self._cluster(found.backend, namespace))
        if found.protocol == "http":
            service |= given(path=found.path or None, headers_to_backend=list(found.headers_to_backend) or None)
        return given(
            **{found.protocol: service},
            headers_to_ext_auth=list(found.headers_to_service) or None,
            body_to_ext_auth={"maxRequestBytes": found.body_limit} if found.body_limit else None,
            timeout=span(found.timeout),
            fail_open=found.fail_open or None,
        )


def _recognises(found: Security) -> bool:
    """Whether anything in it asks who somebody is."""
    return any((found.basic, found.api_key, found.jwt, found.oidc, found.ext_auth))


def _write_authorization(found: Authorization) -> dict[str, Any]:
    rules = [_write_rule(one) for one in found.rules]
    return given(default_action="Allow" if found.allow_by_default else "Deny", rules=rules or None)


def _write_rule(found: AuthorizationRule) -> dict[str, Any]:
    return given(
        name=found.name or None,
        action="Allow" if found.allow else "Deny",
        operation={"methods": list(found.methods)} if found.methods else None,
        principal=_write_principal(found.principal),
    )


def _write_principal(found: Principal) -> dict[str, Any]:
    jwt = None
    if found.jwt_provider:
        claims = [
            given(name=one.name, value_type="StringArray" if one.is_list else None, values=list(one.values))
            for one in found.jwt_claims
        ]
        jwt = given(provider=found.jwt_provider, claims=claims or None, scopes=list(found.jwt_scopes) or None)
    return given(
        client_cidrs=list(found.cidrs) or None,
        jwt=jwt,
        headers=[{"name": name, "values": list(values)} for name, values in found.headers] or None,
    )
