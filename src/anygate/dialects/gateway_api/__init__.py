"""The Kubernetes Gateway API with Envoy Gateway's policies."""

from collections.abc import Mapping, Sequence

from anygate.diagnostics import Report
from anygate.dialects.dialect import Expansion, KindEntry, ReadCache, Reading
from anygate.dialects.gateway_api.kinds import KINDS
from anygate.dialects.gateway_api.read import read
from anygate.dialects.gateway_api.starters import TEMPLATES
from anygate.dialects.template import Template
from anygate.manifests.index import Index


class GatewayApi:
    """The dialect's entry in the table of dialects."""

    name = "gateway-api"
    kinds: Mapping[tuple[str, str], KindEntry] = KINDS
    templates: Sequence[Template] = TEMPLATES

    def expand(self, index: Index, report: Report, cache: ReadCache) -> Expansion | None:
        """Nothing: every object is read as it is."""
        return None

    def read(self, index: Index, report: Report, cache: ReadCache) -> Reading:
        """Read every object of this dialect's kinds into the model."""
        return read(index, report, cache)


DIALECT = GatewayApi()
