"""prometheus: numbers about requests. https://apisix.apache.org/docs/apisix/plugins/prometheus/"""

from collections.abc import Sequence

import msgspec

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.observability.observed import observe
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.model.route import HttpRule
from anygate.model.telemetry import Metering


class PrometheusConfig(Config):
    """Whether routes are called by their names."""

    prefer_name: bool = False


class Prometheus:
    """Counts requests when they are over, whoever answered them."""

    name = "prometheus"
    config = PrometheusConfig
    is_guard = False

    def apply(
        self, config: PrometheusConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Count the rule's requests."""
        seen = observe(rule)
        route, service = (seen.route, seen.service) if config.prefer_name else (seen.route_id, seen.service_id)
        wanted = Metering(origin=surroundings.origin, route=route, service=service, caller=CALLER)
        return [msgspec.structs.replace(rule, metering=wanted)]
