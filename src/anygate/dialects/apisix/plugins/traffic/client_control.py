"""client-control: how large a request's body may be.

https://apisix.apache.org/docs/apisix/plugins/client-control/
"""

from collections.abc import Sequence

import msgspec
from pydantic import Field

from anygate.dialects.apisix.plugins.changes import with_wordings
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.nginx_pages import CONTENT_TYPE, render_page
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.model.route import HttpRule
from anygate.model.wording import Wording

_MOST = 2**32 - 1
_PAGE = Wording(cause="body_too_large", body=render_page(413), content_type=CONTENT_TYPE)


class ClientControlConfig(Config):
    """The most bytes of a body; 0 stands for no limit."""

    max_body_size: int | None = Field(default=None, ge=0)


class ClientControl:
    """Envoy holds the body back until it is whole, so that the backend sees nothing of one that is too large."""

    name = "client-control"
    config = ClientControlConfig
    is_guard = True

    def apply(
        self, config: ClientControlConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Bound the body; a limit that another plugin has set stays if it is smaller."""
        del surroundings
        size = config.max_body_size
        if not size:
            return (rule,)
        if size > _MOST:
            return Refusal(GUARD_UNSUPPORTED, f"Envoy takes at most {_MOST} bytes", path=("max_body_size",))
        size = min(size, rule.request_buffer or size)
        return (with_wordings(msgspec.structs.replace(rule, request_buffer=size), _PAGE),)
