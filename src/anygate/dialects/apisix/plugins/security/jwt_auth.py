"""jwt-auth: a token that a consumer has signed, in a header, the query or a cookie.

https://apisix.apache.org/docs/apisix/plugins/jwt-auth/
"""

from base64 import b64decode
from collections.abc import Sequence
from datetime import timedelta
from hashlib import blake2b
from typing import Any, Literal

from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.kinds.apisixconsumer import JwtValue
from anygate.dialects.apisix.plugins.changes import say, with_security, with_wordings
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.key_sets import public_key_set, symmetric_key_set
from anygate.dialects.apisix.plugins.security.recognition import (
    by_credential,
    keep_out,
    refuse_everybody,
    refuse_strangers,
    with_anonymous,
)
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED, NO_CONSUMER
from anygate.manifests.fields import HeaderName, Many
from anygate.manifests.sensitive import Sensitive
from anygate.model.route import HttpRule
from anygate.model.security import Caller, Jwt, JwtProvider
from anygate.model.tls import Opaque

_PREFIXES = ("Bearer ", "bearer ")
_BARE = "/bare"


class JwtAuthConfig(Config):
    """Where a token is, and which of its claims names the consumer."""

    header: HeaderName = "authorization"
    query: str = Field(default="jwt", min_length=1)
    cookie: str = Field(default="jwt", min_length=1)
    hide_credentials: bool = False
    key_claim_name: str = Field(default="key", min_length=1)
    store_in_ctx: bool = False
    realm: str = "jwt"
    anonymous_consumer: str | None = None
    # Envoy looks at both whenever they are there.
    claims_to_verify: Many[Literal["exp", "nbf"]] = ()


class JwtAuth:
    """Each consumer is an issuer of its own; a token is good if it names the consumer whose key it is signed with."""

    name = "jwt-auth"
    config = JwtAuthConfig
    is_guard = True

    def apply(
        self, config: JwtAuthConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want a token of any consumer."""
        if rule.security and rule.security.jwt:
            return Refusal(GUARD_UNSUPPORTED, "another plugin of the route checks tokens already")
        if config.store_in_ctx:
            surroundings.note(NOT_HONOURED, "no other plugin here looks at the token", ("store_in_ctx",))
        if config.hide_credentials:
            text = "a token in a cookie is checked, but the backend sees it"
            surroundings.note(NOT_HONOURED, text, ("hide_credentials",))
        known = by_credential(surroundings, "jwtAuth", "key", lambda consumer: str(consumer.credential.key))
        if not known:
            return keep_out(rule, self.name, "has a key for tokens", surroundings)
        checked = self._check(config, rule, known, surroundings)
        places = [("header", config.header.lower()), ("query", config.query), ("cookie", config.cookie)]
        return with_anonymous(rule, checked, config.anonymous_consumer, "token", places, surroundings)

    def _check(
        self, config: JwtAuthConfig, rule: HttpRule, known: dict[str, Consumer], surroundings: Surroundings
    ) -> HttpRule:
        here = surroundings.origin
        providers: list[JwtProvider] = []
        names: list[tuple[str, str, str]] = []
        for key, consumer in known.items():
            found = _providers(config, consumer, surroundings)
            providers += found
            names += [(provider.name, key, consumer.id) for provider in found]
        if not providers:
            return refuse_everybody(rule, self.name, surroundings)
        caller = Caller(origin=here, header=CALLER, claim=config.key_claim_name, tokens=tuple(names))
        rule = with_security(rule, here, jwt=Jwt(origin=here, providers=tuple(providers)), caller=caller)
        challenge = f'Bearer realm="{config.realm}"'
        rule = refuse_strangers(rule, self.name, "Invalid user key in JWT token", challenge, surroundings)
        return with_wordings(
            rule,
            say("token_missing", "Missing JWT token in request", challenge=challenge),
            say("token_wrong", "failed to verify jwt", challenge=challenge),
        )


def _providers(config: JwtAuthConfig, consumer: Consumer, surroundings: Surroundings) -> list[JwtProvider]:
    """One for tokens behind `Bearer`, and one for bare tokens, which APISIX takes too.

    Tried on Envoy 1.40: without a prefix it takes the first word of a header for the token, and a token that is bad in
    one place makes the request fail whatever is in another; of two providers it is enough that one is content.
    """
    keys = _key_set(consumer, surroundings)
    if keys is None:
        return []
    header = config.header.lower()
    fields: dict[str, Any] = {
        "origin": consumer.origin,
        "clock_skew": timedelta(seconds=max(1, consumer.credential.lifetime_grace_period or 0)),
        "sanitize": config.hide_credentials,
        **keys,
    }
    return [
        JwtProvider(
            name=consumer.id,
            from_headers=tuple((header, prefix) for prefix in _PREFIXES),
            from_params=(config.query,),
            from_cookies=(config.cookie,),
            **fields,
        ),
        JwtProvider(name=f"{consumer.id}{_BARE}", from_headers=((header, ""),), **fields),
    ]


def _key_set(consumer: Consumer, surroundings: Surroundings) -> dict[str, str] | None:
    """The fields of a provider that say what its tokens are checked with; None if there is nothing."""
    value: JwtValue = consumer.credential
    algorithm = value.algorithm or "HS256"
    if not algorithm.startswith("HS"):
        keys = public_key_set(value.public_key or "", algorithm)
        if not keys:
            surroundings.note(NO_CONSUMER, f"the public key of {consumer.id} is none, so it does not get in")
        return {"jwks": keys} if keys else None
    secret = value.secret.reveal() if value.secret else b""
    if value.base64_secret:
        try:
            secret = b64decode(secret, validate=True)
        except ValueError:
            secret = b""
    if not secret:
        surroundings.note(NO_CONSUMER, f"{consumer.id} has no secret to check tokens with, so it does not get in")
        return None
    content = symmetric_key_set(secret, algorithm)
    # Envoy reads a key set when it learns of its name, so a new one needs a new name.
    name = f"apisix/consumers/{consumer.id}/{blake2b(content, digest_size=4).hexdigest()}"
    held = Opaque(origin=consumer.origin, name=name, value=Sensitive(content))
    return {"jwks_secret": surroundings.add_secret(held)}
