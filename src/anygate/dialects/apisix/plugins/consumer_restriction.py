"""consumer-restriction: which consumers may ask.

https://apisix.apache.org/docs/apisix/plugins/consumer-restriction/
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.apisix.plugins.changes import say, with_denials, with_security, with_wordings
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER, find_consumer
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.route import HttpRule
from anygate.model.security import AuthorizationRule, Principal

_UNKNOWN = "consumer-restriction/unknown"


class MethodsOfUser(Config):
    """The methods that one consumer may use."""

    user: str
    methods: Many[str] = ()


class ConsumerRestrictionConfig(Config):
    """At least one list."""

    type: Literal["consumer_name", "service_id", "route_id", "consumer_group_id"] = "consumer_name"
    whitelist: Many[str] = ()
    blacklist: Many[str] = ()
    allowed_by_methods: Many[MethodsOfUser] = ()
    rejected_code: int = Field(default=403, ge=200, le=599)
    rejected_msg: str | None = None

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        found = Violations()
        if not (self.whitelist or self.blacklist or self.allowed_by_methods):
            found.add("one of whitelist, blacklist and allowed_by_methods is required", code="required")
        found.refuse()
        return self


class ConsumerRestriction:
    """Rules on the header that says who the consumer is, which only the gateway can set."""

    name = "consumer-restriction"
    config = ConsumerRestrictionConfig
    is_guard = True

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule | Answered] | Refusal:
        """Refuse consumers that are not listed, or those that are, and callers that are none."""
        assert isinstance(config, ConsumerRestrictionConfig)
        if config.type != "consumer_name":
            text = f"consumers can be told apart by their names only, not by {config.type}"
            return Refusal(GUARD_UNSUPPORTED, text, "list consumer names", ("type",))
        here = surroundings.origin
        unknown = AuthorizationRule(
            origin=here, name=_UNKNOWN, allow=False, principal=Principal(other_headers=((CALLER, ()),))
        )
        rows = [unknown, *self._rows(config, surroundings)]
        authorization = with_denials(here, rule.security.authorization if rule.security else None, rows)
        asked = f"The request is rejected, please check the {config.type} for this request"
        refused = config.rejected_msg or f"The {config.type} is forbidden."
        return (
            with_wordings(
                with_security(rule, here, authorization=authorization),
                say("denied", asked, rule=_UNKNOWN, status=401),
                say("denied", refused, rule=self.name, status=_status(config)),
            ),
        )

    def _rows(self, config: ConsumerRestrictionConfig, surroundings: Surroundings) -> Iterator[AuthorizationRule]:
        """The methods count for nobody where there is a whitelist: who is on it may use all of them."""
        if config.blacklist:
            yield self._denial(Principal(headers=((CALLER, _ids(config.blacklist, surroundings)),)), surroundings)
        if config.whitelist:
            yield self._denial(Principal(other_headers=((CALLER, _ids(config.whitelist, surroundings)),)), surroundings)
            return
        for user in {one.user: one for one in reversed(config.allowed_by_methods)}.values():
            principal = Principal(headers=((CALLER, _ids((user.user,), surroundings)),))
            yield self._denial(principal, surroundings, tuple(user.methods))

    def _denial(
        self, principal: Principal, surroundings: Surroundings, methods: tuple[str, ...] = ()
    ) -> AuthorizationRule:
        return AuthorizationRule(
            origin=surroundings.origin,
            name=self.name,
            allow=False,
            principal=principal,
            methods=methods,
            other_methods=bool(methods),
        )


def _ids(names: Sequence[str], surroundings: Surroundings) -> tuple[str, ...]:
    """The ids of consumers; a name that is nobody's stays as it is and never matches."""
    found = ((find_consumer(surroundings, name), name) for name in names)
    return tuple(dict.fromkeys(consumer.id if consumer else name for consumer, name in found))


def _status(config: ConsumerRestrictionConfig) -> int | None:
    return config.rejected_code if config.rejected_code != 403 else None
