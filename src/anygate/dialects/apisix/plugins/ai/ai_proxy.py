"""ai-proxy: a model of a provider instead of the route's upstream. https://apisix.apache.org/docs/apisix/plugins/ai-proxy/"""

from collections.abc import Sequence

from anygate.dialects.apisix.plugins.ai.backends import Place, note_exchange, read_backends
from anygate.dialects.apisix.plugins.ai.instances import Exchange, Instance
from anygate.dialects.apisix.plugins.ai.rules import Share, split_rule
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.model.route import HttpRule


class AiProxyConfig(Instance, Exchange):
    """One instance."""


class AiProxy:
    """A guard, since without it the route's upstream would get what is meant for a provider."""

    name = "ai-proxy"
    config = AiProxyConfig
    is_guard = True

    def apply(self, config: AiProxyConfig, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Send the rule's requests to the provider."""
        note_exchange(config, surroundings)
        backends = read_backends(config, config, Place(f"ai-proxy-{config.provider}"), surroundings)
        if isinstance(backends, Refusal):
            return backends
        for backend in backends.values():
            surroundings.add_backend(backend)
        return list(split_rule(rule, [Share(backends)], config, None))
