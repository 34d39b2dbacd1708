"""Plugins that guard routes in ways that Envoy has nothing for: the route answers 503."""

from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.model.route import HttpRule


class AnyConfig(Config):
    """Whatever is written."""

    model_config = ConfigDict(extra="ignore")


class RefusedGuard:
    """A plugin that is known and cannot be had, and why."""

    config = AnyConfig
    is_guard = True

    def __init__(self, name: str, why: str) -> None:
        self.name = name
        self._why = why

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule | Answered] | Refusal:
        """Refuse."""
        del config, rule, surroundings
        return Refusal(GUARD_UNSUPPORTED, f"{self.name} cannot be had: {self._why}", "use key-auth or jwt-auth")


REFUSED_GUARDS = (
    RefusedGuard("csrf", "nothing here makes and checks tokens of forms"),
    RefusedGuard("forward-auth", "nothing here asks another service about requests"),
    RefusedGuard("hmac-auth", "nothing here checks signatures over whole requests"),
    RefusedGuard("ldap-auth", "nothing here asks a directory"),
    RefusedGuard("wolf-rbac", "nothing here asks a wolf server"),
)
