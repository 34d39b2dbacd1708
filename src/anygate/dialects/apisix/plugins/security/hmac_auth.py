"""hmac-auth: a request that a consumer has signed.

https://apisix.apache.org/docs/apisix/plugins/hmac-auth/
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from anygate.dialects.apisix.kinds.apisixconsumer import HmacValue
from anygate.dialects.apisix.plugins.changes import with_check
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.recognition import by_credential, find_anonymous, keep_out
from anygate.manifests.fields import Many
from anygate.manifests.sensitive import Sensitive
from anygate.model.checks import HmacCheck
from anygate.model.route import HttpRule
from anygate.model.tls import Opaque

_HELD = "apisix/consumers/signers"
_Algorithm = Literal["hmac-sha1", "hmac-sha256", "hmac-sha512"]
_MOST = 2**32 - 1


class HmacAuthConfig(Config):
    """What has to be signed, and how late a request may be."""

    allowed_algorithms: Annotated[Many[_Algorithm], Field(min_length=1)] = ("hmac-sha1", "hmac-sha256", "hmac-sha512")
    clock_skew: int = Field(default=300, ge=1)
    signed_headers: Many[Annotated[str, Field(min_length=1, max_length=50)]] = ("date",)
    validate_request_body: bool = False
    max_req_body_size: int = Field(default=64 * 1024 * 1024, ge=1, le=_MOST)
    hide_credentials: bool = False
    realm: str = "hmac"
    anonymous_consumer: str | None = None


class HmacAuth:
    """Signatures are checked by our own service, which knows the keys."""

    name = "hmac-auth"
    config = HmacAuthConfig
    is_guard = True

    def apply(
        self, config: HmacAuthConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want a signature of any consumer."""
        keys = _keys(surroundings)
        if not keys:
            return keep_out(rule, self.name, "has a key for signatures", surroundings)
        anonymous = ""
        if config.anonymous_consumer is not None:
            found = find_anonymous(surroundings, config.anonymous_consumer)
            if isinstance(found, Refusal):
                return found
            anonymous = found.id
        here = surroundings.origin
        value = Sensitive(json.dumps(keys, sort_keys=True).encode())
        check = HmacCheck(
            origin=here,
            secret=surroundings.add_secret(Opaque(origin=here, name=_HELD, value=value)),
            header=CALLER,
            algorithms=tuple(config.allowed_algorithms),
            clock_skew=timedelta(seconds=config.clock_skew),
            signed_headers=tuple(config.signed_headers),
            body_limit=config.max_req_body_size if config.validate_request_body else 0,
            hide_credentials=config.hide_credentials,
            challenge=f'hmac realm="{config.realm}"',
            anonymous=anonymous,
        )
        return (with_check(rule, check),)


def _keys(surroundings: Surroundings) -> dict[str, tuple[str, str]]:
    """The consumer and the key of each id of a key."""
    found = by_credential(surroundings, "hmacAuth", "key", _read_id)
    return {name: (consumer.id, _read_key(consumer.credential)) for name, consumer in found.items()}


def _read_id(consumer: Consumer) -> str | None:
    """The id of a key; an empty key is none, as everybody could sign with it."""
    credential: HmacValue = consumer.credential
    return credential.key_id if _read_key(credential) else None


def _read_key(credential: HmacValue) -> str:
    return credential.secret_key.reveal().decode("utf-8", "replace")
