"""key-auth: a consumer's key in a header or in the query.

https://apisix.apache.org/docs/apisix/plugins/key-auth/
"""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import say, with_security, with_wordings
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import (
    CALLER,
    consumers_with,
    find_consumer,
    refuse_everybody,
    split_anonymous,
)
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import (
    GUARD_UNSUPPORTED,
    NO_CONSUMER,
    SAME_CREDENTIAL,
)
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

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule | Answered] | Refusal:
        """Want a key of any consumer."""
        assert isinstance(config, KeyAuthConfig)
        keys = _keys(surroundings)
        if not keys:
            surroundings.note(NO_CONSUMER, "no consumer has a key, so nobody gets in", hint="add an ApisixConsumer")
            return (refuse_everybody(rule, self.name, surroundings),)
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
        # Of several plugins that recognise consumers APISIX asks this one last, and it has the last word.
        checked = with_security(rule, surroundings.origin, api_key=auth, caller=None)
        challenge = f'apikey realm="{config.realm}"'
        checked = with_wordings(
            checked,
            say("key_missing", "Missing API key in request", challenge=challenge),
            say("key_unknown", "Invalid API key in request", challenge=challenge),
        )
        if config.anonymous_consumer is None:
            return (checked,)
        anonymous = find_consumer(surroundings, config.anonymous_consumer)
        if anonymous is None:
            text = f"there is no consumer {config.anonymous_consumer}"
            return Refusal(GUARD_UNSUPPORTED, text, path=("anonymous_consumer",))
        text = "a request with a wrong key is refused, and not taken for one of the anonymous consumer"
        surroundings.note(NOT_HONOURED, text, ("anonymous_consumer",))
        places = [("header", config.header.lower()), ("query", config.query)]
        return split_anonymous(rule, checked, places, anonymous, surroundings)


def _keys(surroundings: Surroundings) -> dict[str, str]:
    """The key of each consumer; of two with one key only the first has it, as it could be nobody's otherwise."""
    owners: dict[str, str] = {}
    for consumer in consumers_with(surroundings, "keyAuth"):
        key = consumer.credential.key.reveal().decode("utf-8", "replace")
        if key in owners:
            surroundings.note(SAME_CREDENTIAL, f"{owners[key]} and {consumer.id} have the same key")
        elif key:
            owners[key] = consumer.id
    return {consumer: key for key, consumer in owners.items()}
