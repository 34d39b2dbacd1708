"""ip-restriction: which addresses may ask.

https://apisix.apache.org/docs/apisix/plugins/ip-restriction/
"""

from collections.abc import Sequence
from typing import Self

from pydantic import Field, model_validator

from anygate.dialects.apisix.kinds.values import Network
from anygate.dialects.apisix.plugins.changes import say, with_denials, with_security, with_wordings
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations, check_exactly_one
from anygate.model.route import HttpRule
from anygate.model.security import AuthorizationRule, Principal


class IpRestrictionConfig(Config):
    """One list: either who may ask, or who may not."""

    whitelist: Many[Network] = ()
    blacklist: Many[Network] = ()
    message: str = Field(default="Your IP address is not allowed", min_length=1, max_length=1024)
    response_code: int = Field(default=403, ge=403, le=404)

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        found = Violations()
        check_exactly_one(found, whitelist=self.whitelist or None, blacklist=self.blacklist or None)
        found.refuse()
        return self


class IpRestriction:
    """Asked before credentials, as in APISIX, so that a stranger is not sent to log in."""

    name = "ip-restriction"
    config = IpRestrictionConfig
    is_guard = True

    def apply(
        self, config: IpRestrictionConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Refuse addresses that are not listed, or those that are."""
        here = surroundings.origin
        principal = Principal(cidrs=config.whitelist or config.blacklist, other_addresses=bool(config.whitelist))
        row = AuthorizationRule(origin=here, name=self.name, allow=False, principal=principal)
        admission = with_denials(here, rule.security.admission if rule.security else None, [row])
        status = config.response_code if config.response_code != 403 else None
        wording = say("denied", config.message, rule=self.name, status=status)
        return (with_wordings(with_security(rule, here, admission=admission), wording),)
