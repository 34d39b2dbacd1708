"""key-auth: a consumer's key in a header or in the query.

https://apisix.apache.org/docs/apisix/plugins/key-auth/
"""

import json
from collections.abc import Sequence

from pydantic import Field

from anygate.dialects.apisix.plugins.changes import say, with_security, with_wordings
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.recognition import by_credential, keep_out, with_anonymous
from anygate.manifests.fields import HeaderName
from anygate.manifests.sensitive import Sensitive
from anygate.model.route import HttpRule
from anygate.model.security import ApiKeyAuth
from anygate.model.tls import Opaque

_HELD = "apisix/consumers/keys"


class KeyAuthConfig(Config):
    """Where the key is, and whether the backend sees it."""

    header: HeaderName = "apikey"
    query: str = Field(default="apikey", min_length=1)
    hide_credentials: bool = False
    realm: str = "key"
    anonymous_consumer: str | None = None


class KeyAuth:
    """Keys are native to Envoy; the words of its refusals are ours."""

    name = "key-auth"
    config = KeyAuthConfig
    is_guard = True

    def apply(
        self, config: KeyAuthConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want a key of any consumer."""
        keys = _keys(surroundings)
        if not keys:
            return keep_out(rule, self.name, "has a key", surroundings)
        value = Sensitive(json.dumps(keys, sort_keys=True).encode())
        secret = surroundings.add_secret(Opaque(origin=surroundings.origin, name=_HELD, value=value))
        auth = ApiKeyAuth(
            origin=surroundings.origin,
            secrets=(secret,),
            headers=(config.header.lower(),),
            query=(config.query,),
            forward_header=CALLER,
            sanitize=config.hide_credentials,
        )
        # Of several plugins that recognise consumers APISIX asks this one last, and it has the last word. A token has
        # to be a consumer's all the same.
        known = rule.security.caller if rule.security else None
        caller = known if known is not None and known.tokens else None
        checked = with_security(rule, surroundings.origin, api_key=auth, caller=caller)
        challenge = f'apikey realm="{config.realm}"'
        checked = with_wordings(
            checked,
            say("key_missing", "Missing API key in request", challenge=challenge),
            say("key_unknown", "Invalid API key in request", challenge=challenge),
        )
        places = [("header", config.header.lower()), ("query", config.query)]
        return with_anonymous(rule, checked, config.anonymous_consumer, "key", places, surroundings)


def _keys(surroundings: Surroundings) -> dict[str, str]:
    """The key of each consumer; of two with one key only the first has it, as it could be nobody's otherwise."""
    owners = by_credential(surroundings, "keyAuth", "key", _read_key)
    return {consumer.id: key for key, consumer in owners.items()}


def _read_key(consumer: Consumer) -> str | None:
    return consumer.credential.key.reveal().decode("utf-8", "replace") or None
