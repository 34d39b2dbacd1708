"""opentelemetry: traces of requests. https://apisix.apache.org/docs/apisix/plugins/opentelemetry/"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.observability.observed import Observed, observe
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.variable_findings import VARIABLE
from anygate.dialects.apisix.plugins.variables import find_variable
from anygate.manifests.fields import Many
from anygate.model.route import HttpRule
from anygate.model.telemetry import Trace
from anygate.model.text import Text, Value, Variable


class RootOptions(Config):
    """How much is sampled."""

    fraction: float = Field(default=0, ge=0, le=1)


class RootSampler(Config):
    """Which requests are traced that come without a parent."""

    name: Literal["always_on", "always_off", "trace_id_ratio"] = "always_off"
    options: RootOptions = RootOptions()


class SamplerOptions(RootOptions):
    """How much is sampled, and by what a request without a parent is."""

    root: RootSampler = RootSampler()


class Sampler(Config):
    """Which requests are traced."""

    name: Literal["always_on", "always_off", "trace_id_ratio", "parent_base"] = "always_off"
    options: SamplerOptions = SamplerOptions()


class OpentelemetryConfig(Config):
    """What is traced, and with what."""

    sampler: Sampler = Sampler()
    additional_attributes: Many[str] = ()
    additional_header_prefix_attributes: Many[str] = ()


class Opentelemetry:
    """Envoy's spans with APISIX's attributes. A sampler that is off, the default, leaves requests as they are."""

    name = "opentelemetry"
    config = OpentelemetryConfig
    is_guard = False

    def apply(
        self, config: OpentelemetryConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Trace the rule's requests."""
        sampler = config.sampler
        share, follow = _share(sampler), sampler.name == "parent_base"
        if not share and not follow:
            return [msgspec.structs.replace(rule, trace=None)]
        names = observe(rule)
        attributes = dict(_own_attributes(names))
        for index, name in enumerate(config.additional_attributes):
            value = _read_variable(name, names)
            if value is None:
                text = f"nothing tells {name} here, so spans do not have it"
                surroundings.note(VARIABLE, text, ("additional_attributes", index))
            else:
                attributes[name] = value
        for index, name in enumerate(config.additional_header_prefix_attributes):
            if name.endswith("*"):
                text = "headers are put on spans by their whole names only"
                surroundings.note(NOT_HONOURED, text, ("additional_header_prefix_attributes", index))
            else:
                attributes[name] = _variable("header", name.lower())
        wanted = Trace(origin=surroundings.origin, share=share, follow=follow, attributes=tuple(attributes.items()))
        return [msgspec.structs.replace(rule, trace=wanted)]


def _share(sampler: Sampler) -> float:
    """How many of the requests are traced whose sender has not decided."""
    decider: Sampler | RootSampler = sampler.options.root if sampler.name == "parent_base" else sampler
    return {"always_on": 1.0, "always_off": 0.0}.get(decider.name, decider.options.fraction)


def _own_attributes(names: Observed) -> Iterator[tuple[str, Value]]:
    # The gateway says there what the client called it by; the host itself may be another one by the end.
    yield "net.host.name", _variable("header", "x-forwarded-host")
    yield "http.scheme", _variable("scheme")
    yield "http.target", _variable("target")
    yield "http.user_agent", _variable("header", "user-agent")
    if names.route:
        yield "apisix.route_id", names.route_id
        yield "apisix.route_name", names.route
        yield "apisix.service_id", names.service_id
        yield "apisix.service_name", names.service


def _read_variable(name: str, names: Observed) -> Value | None:
    """What a variable of APISIX stands for: one of the request, or the same for all requests of the route."""
    own = {
        "route_id": names.route_id,
        "route_name": names.route,
        "service_id": names.service_id,
        "service_name": names.service,
    }
    found = find_variable(name)
    return own.get(name) if found is None else Text(parts=(found,))


def _variable(kind: Any, name: str = "") -> Text:
    return Text(parts=(Variable(kind=kind, name=name),))
