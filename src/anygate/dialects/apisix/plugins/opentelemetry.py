"""opentelemetry: traces of requests.

https://apisix.apache.org/docs/apisix/plugins/opentelemetry/
"""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.manifests.fields import Many
from anygate.manifests.kind import Node
from anygate.model.route import HttpRule


class SamplerOptions(Config):
    """How much is sampled, and by what a request without a parent is."""

    fraction: float = Field(default=0, ge=0, le=1)
    root: dict[str, Any] | None = None


class Sampler(Config):
    """Which requests are traced."""

    name: Literal["always_on", "always_off", "trace_id_ratio", "parent_base"] = "always_off"
    options: SamplerOptions = Field(default_factory=SamplerOptions)


class OpentelemetryConfig(Config):
    """What is traced, and with what."""

    sampler: Sampler = Field(default_factory=Sampler)
    additional_attributes: Many[str] = ()
    additional_header_prefix_attributes: Many[str] = ()


class Opentelemetry:
    """Traces are told of AI requests only; a sampler that is off, APISIX's default, is what all other routes have."""

    name = "opentelemetry"
    config: type[Node] = OpentelemetryConfig
    is_guard = False

    def apply(self, config: Any, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Leave the rule as it is."""
        if config.sampler.name != "always_off":
            surroundings.note(NOT_HONOURED, "only AI requests are traced", ("sampler",))
        return [rule]
