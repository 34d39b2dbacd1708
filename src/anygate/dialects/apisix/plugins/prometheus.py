"""prometheus: numbers about requests.

https://apisix.apache.org/docs/apisix/plugins/prometheus/
"""

from collections.abc import Sequence
from typing import Any

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.manifests.kind import Node
from anygate.model.route import HttpRule


class PrometheusConfig(Config):
    """Whether routes are called by their names."""

    prefer_name: bool = False


class Prometheus:
    """Envoy counts requests by itself; nothing serves them under APISIX's names."""

    name = "prometheus"
    config: type[Node] = PrometheusConfig
    is_guard = False

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Leave the rule as it is."""
        del config
        text = "metrics have the names that Envoy gives them, at its admin address under /stats/prometheus"
        surroundings.note(NOT_HONOURED, text)
        return [rule]
