"""proxy-cache: answers kept for later requests. https://apisix.apache.org/docs/apisix/plugins/proxy-cache/"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node
from anygate.model.route import HttpRule


class ProxyCacheConfig(Config):
    """What is kept, and by what it is found again."""

    cache_strategy: Literal["disk", "memory"] = "disk"
    cache_zone: str | None = Field(default=None, min_length=1, max_length=100)
    cache_key: Many[str] | None = None
    cache_http_status: Many[int] | None = None
    cache_method: Many[Literal["GET", "POST", "HEAD"]] | None = None
    cache_ttl: int | None = Field(default=None, ge=1)
    hide_cache_headers: bool = False
    cache_control: bool = False
    cache_bypass: Many[str] = ()
    no_cache: Many[str] = ()
    consumer_isolation: bool = True


class ProxyCache:
    """Left out, so that every answer is the backend's.

    Tried on Envoy 1.40: its cache filter asks the backend by itself. What the route says of such a request does not
    hold: no rewrite, no header, no retry.
    """

    name = "proxy-cache"
    config: type[Node] = ProxyCacheConfig
    is_guard = False

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Say that nothing is kept."""
        del config, rule, surroundings
        return Refusal(PLUGIN_CONFIG, "answers are not kept: Envoy's cache would pass by limits and rewrites")
