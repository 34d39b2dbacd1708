"""basic-auth: a consumer's user name and password.

https://apisix.apache.org/docs/apisix/plugins/basic-auth/
"""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha1

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.changes import say, with_security, with_wordings, without_headers
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER, USER
from anygate.dialects.apisix.plugins.plugin import Answered, Consumer, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.recognition import (
    by_credential,
    keep_out,
    refuse_strangers,
    with_anonymous,
)
from anygate.manifests.sensitive import Sensitive
from anygate.model.route import HttpRule
from anygate.model.security import BasicAuth as Basic
from anygate.model.security import Caller
from anygate.model.tls import Opaque

_HELD = "apisix/consumers/users"
_WRONG = "Invalid user authorization"
_UNREADABLE = "Invalid authorization in request"


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

    def apply(
        self, config: BasicAuthConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want the name and the password of any consumer."""
        users = _users(surroundings)
        if not users:
            return keep_out(rule, self.name, "has a user name", surroundings)
        checked = self._check(config, rule, users, surroundings)
        places = [("header", "authorization")]
        return with_anonymous(rule, checked, config.anonymous_consumer, "password", places, surroundings)

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
            say("password_elsewhere", _UNREADABLE, challenge=challenge),
            say("password_unreadable", _UNREADABLE, challenge=challenge),
        )
        return without_headers(rule, (USER, "authorization") if config.hide_credentials else (USER,))


def _users(surroundings: Surroundings) -> dict[str, Consumer]:
    """The consumer of each user name; a name that Envoy cannot take is left out."""

    def read(consumer: Consumer) -> str | None:
        user: str = consumer.credential.username
        if ":" in user or user != user.strip() or user.startswith("#") or not user.isprintable():
            text = f"the user name of {consumer.id} cannot be sent in a request, so it does not get in"
            surroundings.note(NOT_HONOURED, text)
            return None
        return user

    return by_credential(surroundings, "basicAuth", "user name", read)


def _hash(consumer: Consumer) -> str:
    """The password as Envoy takes it, which knows SHA-1 only."""
    return "{SHA}" + b64encode(sha1(consumer.credential.password.reveal(), usedforsecurity=False).digest()).decode()
