"""csrf: a token against requests that another site makes a browser send.

https://apisix.apache.org/docs/apisix/plugins/csrf/
"""

from collections.abc import Sequence
from datetime import timedelta

from pydantic import Field

from anygate.dialects.apisix.plugins.changes import with_check
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.manifests.fields import HeaderName, SensitiveText
from anygate.model.checks import CsrfCheck
from anygate.model.route import HttpRule
from anygate.model.tls import Opaque


class CsrfConfig(Config):
    """By what tokens are known, how many seconds they hold, and what they are called."""

    key: SensitiveText
    expires: int = Field(default=7200, ge=0)
    name: HeaderName = "apisix-csrf-token"


class Csrf:
    """Tokens are made and checked by our own service."""

    name = "csrf"
    config = CsrfConfig
    is_guard = True

    def apply(
        self, config: CsrfConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want the token of a cookie in a header."""
        if not config.key:
            return Refusal(GUARD_UNSUPPORTED, "with an empty key everybody could make tokens", path=("key",))
        here = surroundings.origin
        held = Opaque(origin=here, name=f"apisix/csrf/{here.object}/{here.path}", value=config.key)
        check = CsrfCheck(
            origin=here,
            secret=surroundings.add_secret(held),
            name=config.name,
            lifetime=timedelta(seconds=config.expires),
        )
        return (with_check(rule, check),)
