"""ai-proxy-multi: several models, with weights and priorities, that stand in for each other.

https://apisix.apache.org/docs/apisix/plugins/ai-proxy-multi/
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.apisix.findings import APPROXIMATED, PLUGIN_CONFIG
from anygate.dialects.apisix.hashing import read_hashing
from anygate.dialects.apisix.plugins.ai.backends import Place, note_exchange, read_backends
from anygate.dialects.apisix.plugins.ai.checks import Checks, read_check
from anygate.dialects.apisix.plugins.ai.instances import Exchange, Instance
from anygate.dialects.apisix.plugins.ai.rules import Share, split_rule
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.retry import Retry
from anygate.model.route import HashPolicy, HttpRule

_SHORTHAND = {"instance_health_and_rate_limiting": "rate_limiting"}
_TOO_MANY = 429


class NamedInstance(Instance):
    """An instance and its part of the requests; those of the greatest priority are used first."""

    name: str = Field(min_length=1, max_length=100)
    weight: int = Field(ge=0)
    priority: int = 0
    checks: Checks | None = None


class Balancer(Config):
    """How an instance is chosen."""

    algorithm: Literal["roundrobin", "chash", "semantic"] = "roundrobin"
    hash_on: Literal["vars", "header", "cookie", "consumer", "vars_combinations"] = "vars"
    key: str | None = None


class AiProxyMultiConfig(Exchange):
    """Instances, and when another one is asked."""

    instances: Many[NamedInstance] = Field(min_length=1)
    balancer: Balancer = Field(default_factory=Balancer)
    fallback_strategy: str | Many[Literal["rate_limiting", "http_429", "http_5xx"]] | None = None
    max_retries: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _check_instances(self) -> Self:
        found = Violations()
        for name, count in Counter(one.name for one in self.instances).items():
            if count > 1:
                found.add(f"{count} instances are called {name}", "instances")
        known = ("instance_health_and_rate_limiting", "http_429", "http_5xx")
        if isinstance(self.fallback_strategy, str) and self.fallback_strategy not in known:
            found.add(f"expected one of {', '.join(known)}, or a list", "fallback_strategy")
        found.refuse()
        return self

    @property
    def fallbacks(self) -> tuple[str, ...]:
        """What another instance is asked after."""
        given = self.fallback_strategy or ()
        return (_SHORTHAND.get(given, given),) if isinstance(given, str) else tuple(given)


class AiProxyMulti:
    """Each try is Envoy's: the next instance gets the client's own request, with its own path, model and key."""

    name = "ai-proxy-multi"
    config = AiProxyMultiConfig
    is_guard = True

    def apply(
        self, config: AiProxyMultiConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Share the rule's requests out among the instances."""
        note_exchange(config, surroundings)
        if config.balancer.algorithm == "semantic":
            text = "nothing here compares what prompts mean"
            hint = "use roundrobin, or routes that ask for a model"
            return Refusal(GUARD_UNSUPPORTED, text, hint, ("balancer", "algorithm"))
        if not any(one.weight for one in config.instances):
            return Refusal(PLUGIN_CONFIG, "no instance has a weight", path=("instances",))
        ranks = sorted({one.priority for one in config.instances if one.weight}, reverse=True)
        sizes = Counter(one.priority for one in config.instances if one.weight)
        shares = []
        for number, one in enumerate(config.instances):
            path = ("instances", number)
            check = read_check(one.checks, (*path, "checks"), surroundings)
            backends = read_backends(one, config, Place(one.name, path, check), surroundings)
            if isinstance(backends, Refusal):
                return backends
            if not one.weight:
                continue
            for backend in backends.values():
                surroundings.add_backend(backend)
            shares.append(Share(backends, one.weight, ranks.index(one.priority), sizes[one.priority]))
        hashed = _read_hashing(config, len(shares), len(ranks), surroundings)
        return list(split_rule(rule, shares, config, _read_retry(config, surroundings), hashed))


def _read_hashing(
    config: AiProxyMultiConfig, instances: int, ranks: int, surroundings: Surroundings
) -> tuple[HashPolicy, ...]:
    """What an instance is chosen by instead of chance; Envoy can do so where none stands in for another."""
    balancer = config.balancer
    if balancer.algorithm != "chash" or instances < 2:
        return ()
    if ranks > 1 or config.fallbacks:
        reason = "instances that stand in for each other are chosen anew for each try"
    elif balancer.hash_on == "consumer":
        reason = "who asks is not known yet when one is chosen"
    else:
        found = read_hashing(balancer.hash_on, balancer.key or "")
        if found:
            return found
        reason = f"nothing tells {balancer.key} when one is chosen"
    text = f"an instance is chosen by chance and weight for each request, not by a hash: {reason}"
    surroundings.note(APPROXIMATED, text, ("balancer", "algorithm"))
    return ()


def _read_retry(config: AiProxyMultiConfig, surroundings: Surroundings) -> Retry:
    """When another instance is asked: never, unless `fallback_strategy` says so."""
    usable = sum(1 for one in config.instances if one.weight)
    attempts = usable - 1 if config.max_retries is None else min(config.max_retries, usable - 1)
    wanted = config.fallbacks
    statuses = (_TOO_MANY,) if "http_429" in wanted else ()
    triggers = (*(("5xx",) if "http_5xx" in wanted else ()), *(("retriable-status-codes",) if statuses else ()))
    return Retry(origin=surroundings.origin, attempts=attempts if triggers else 0, triggers=triggers, statuses=statuses)
