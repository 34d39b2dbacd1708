"""basic-auth: a consumer's user name and password.

https://apisix.apache.org/docs/apisix/plugins/basic-auth/
"""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1
from typing import Any

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import say, with_security, with_wordings, without_headers
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import (
    CALLER,
    USER,
    consumers_with,
    find_consumer,
    refuse_everybody,
    refuse_strangers,
    split_anonymous,
)
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import (
    GUARD_UNSUPPORTED,
    NO_CONSUMER,
    SAME_CREDENTIAL,
)
from anygate.manifests.sensitive import Sensitive
from anygate.model.route import HttpRule
from anygate.model.security import BasicAuth as Basic
from anygate.model.security import Caller
from anygate.model.tls import Opaque

_HELD = "apisix/consumers/users"
_WRONG = "Invalid user authorization"


class BasicAuthConfig(Config):
    """Whether the backend sees the credential, and what the browser calls the place."""

    hide_credentials: bool = False
    realm: str = "basic"
    anonymous_consumer: str | None = None


class BasicAuth:
    """Passwords are native to Envoy, which knows a user by another name than APISIX knows the consumer."""

    name = "basic-auth"
    config = BasicAuthConfig
    is_guard = True

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule | Answered] | Refusal:
        """Want the name and the password of any consumer."""
        assert isinstance(config, BasicAuthConfig)
        users = _users(surroundings)
        if not users:
            text = "no consumer has a user name, so nobody gets in"
            surroundings.note(NO_CONSUMER, text, hint="add an ApisixConsumer")
            return (refuse_everybody(rule, self.name, surroundings),)
        checked = self._check(config, rule, users, surroundings)
        if config.anonymous_consumer is None:
            return (checked,)
        anonymous = find_consumer(surroundings, config.anonymous_consumer)
        if anonymous is None:
            text = f"there is no consumer {config.anonymous_consumer}"
            return Refusal(GUARD_UNSUPPORTED, text, path=("anonymous_consumer",))
        text = "a request with a wrong password is refused, and not taken for one of the anonymous consumer"
        surroundings.note(NOT_HONOURED, text, ("anonymous_consumer",))
        return split_anonymous(rule, checked, [("header", "authorization")], anonymous, surroundings)

    def _check(
        self, config: BasicAuthConfig, rule: HttpRule, users: dict[str, Consumer], surroundings: Surroundings
    ) -> HttpRule:
        here = surroundings.origin
        lines = "\n".join(f"{user}:{_hash(consumer)}" for user, consumer in sorted(users.items()))
        held = Opaque(origin=here, name=_HELD, value=Sensitive(lines.encode()))
        auth = Basic(origin=here, secret=surroundings.add_secret(held), forward_header=USER)
        names = tuple((user, consumer.id) for user, consumer in sorted(users.items()))
        challenge = f'Basic realm="{config.realm}"'
        rule = with_security(rule, here, basic=auth, caller=Caller(origin=here, header=CALLER, users=names))
        rule = refuse_strangers(rule, self.name, _WRONG, challenge, surroundings)
        rule = with_wordings(
            rule,
            say("password_missing", "Missing authorization in request", challenge=challenge),
            say("password_wrong", _WRONG, challenge=challenge),
        )
        return without_headers(rule, (USER, "authorization") if config.hide_credentials else (USER,))


def _users(surroundings: Surroundings) -> dict[str, Consumer]:
    """The consumer of each user name; a name that Envoy cannot take is left out."""
    found: dict[str, Consumer] = {}
    for consumer in consumers_with(surroundings, "basicAuth"):
        user = consumer.credential.username
        if user in found:
            surroundings.note(SAME_CREDENTIAL, f"{found[user].id} and {consumer.id} have the same user name")
        elif ":" in user or user != user.strip() or user.startswith("#") or not user.isprintable():
            text = f"the user name of {consumer.id} cannot be sent in a request, so it does not get in"
            surroundings.note(NOT_HONOURED, text)
        else:
            found[user] = consumer
    return found


def _hash(consumer: Consumer) -> str:
    """The password as Envoy takes it, which knows SHA-1 only."""
    return "{SHA}" + b64encode(sha1(consumer.credential.password.reveal(), usedforsecurity=False).digest()).decode()
