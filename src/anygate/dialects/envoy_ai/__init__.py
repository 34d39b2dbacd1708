"""The dialect of Envoy AI Gateway (aigateway.envoyproxy.io) and of the inference pools that it routes to."""

from collections.abc import Mapping, Sequence

from anygate.diagnostics import Report
from anygate.dialects.dialect import Expansion, KindEntry, ReadCache, Reading
from anygate.dialects.envoy_ai.kinds import KINDS
from anygate.dialects.envoy_ai.starters import TEMPLATES
from anygate.dialects.template import Template
from anygate.manifests.index import Index


class EnvoyAi:
    """The dialect's entry in the table of dialects."""

    name = "envoy-ai"
    kinds: Mapping[tuple[str, str], KindEntry] = KINDS
    templates: Sequence[Template] = TEMPLATES

    def expand(self, index: Index, report: Report, cache: ReadCache) -> Expansion | None:
        """The HTTPRoutes that AIGatewayRoutes become."""
        if not any(index.all(*kind) for kind in KINDS) and not index.broken("BackendSecurityPolicy"):
            return None
        # It brings every conversion of formats along, which takes a tenth of a second that other manifests do not need.
        from anygate.dialects.envoy_ai.reading import expand

        return expand(index, report, cache)

    def read(self, index: Index, report: Report, cache: ReadCache) -> Reading:
        """Nothing of its own: what is derived is read as if it had been written."""
        return Reading()


DIALECT = EnvoyAi()
