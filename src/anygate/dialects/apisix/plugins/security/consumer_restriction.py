"""consumer-restriction: which consumers may ask.

https://apisix.apache.org/docs/apisix/plugins/consumer-restriction/
"""

from collections.abc import Iterator, Sequence
from typing import Literal, Self

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

    def apply(
        self, config: ConsumerRestrictionConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Refuse consumers that are not listed, or those that are, and callers that are none."""
        here = surroundings.origin
        rows = self._list_rows(config, surroundings)
        if isinstance(rows, Refusal):
            return rows
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

    def _list_rows(
        self, config: ConsumerRestrictionConfig, surroundings: Surroundings
    ) -> list[AuthorizationRule] | Refusal:
        if config.type == "consumer_name":
            unknown = _deny(_UNKNOWN, Principal(other_headers=((CALLER, ()),)), surroundings)
            return [unknown, *self._deny_callers(config, surroundings)]
        if config.type == "consumer_group_id":
            # There are no groups of consumers among the objects, so nobody is in one.
            return [_deny(_UNKNOWN, Principal(), surroundings)]
        names = surroundings.ids.route if config.type == "route_id" else surroundings.ids.service
        if not names:
            text = f"the {config.type} of what is made of an {surroundings.owner.KIND} is not known here"
            return Refusal(GUARD_UNSUPPORTED, text, "write an ApisixRoute", ("type",))
        return [*self._deny_rule(config, frozenset(names), surroundings)]

    def _deny_callers(
        self, config: ConsumerRestrictionConfig, surroundings: Surroundings
    ) -> Iterator[AuthorizationRule]:
        """The methods count for nobody where there is a whitelist: who is on it may use all of them."""
        if config.blacklist:
            listed = Principal(headers=((CALLER, _ids(config.blacklist, surroundings)),))
            yield _deny(self.name, listed, surroundings)
        if config.whitelist:
            others = Principal(other_headers=((CALLER, _ids(config.whitelist, surroundings)),))
            yield _deny(self.name, others, surroundings)
            return
        for user in {one.user: one for one in reversed(config.allowed_by_methods)}.values():
            principal = Principal(headers=((CALLER, _ids((user.user,), surroundings)),))
            yield _deny(self.name, principal, surroundings, tuple(user.methods))

    def _deny_rule(
        self, config: ConsumerRestrictionConfig, names: frozenset[str], surroundings: Surroundings
    ) -> Iterator[AuthorizationRule]:
        """What is asked of the rule itself is known already; only methods are not."""
        unlisted = config.whitelist and not names.intersection(config.whitelist)
        if unlisted or names.intersection(config.blacklist):
            yield _deny(self.name, Principal(), surroundings)
        elif not config.whitelist:
            for user in [one for one in config.allowed_by_methods if one.user in names][:1]:
                yield _deny(self.name, Principal(), surroundings, tuple(user.methods))


def _deny(
    name: str, principal: Principal, surroundings: Surroundings, methods: tuple[str, ...] = ()
) -> AuthorizationRule:
    return AuthorizationRule(
        origin=surroundings.origin,
        name=name,
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
