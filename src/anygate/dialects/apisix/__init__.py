"""APISIX (apisix.apache.org): its routes and upstreams, without APISIX, and what writes them."""

from collections.abc import Mapping, Sequence

from anygate.diagnostics import Report
from anygate.dialects.apisix.kinds import KINDS
from anygate.dialects.dialect import Expansion, KindEntry, ReadCache, Reading
from anygate.dialects.template import Template
from anygate.manifests.index import Index


class Apisix:
    """The dialect's entry in the table of dialects."""

    name = "apisix"
    kinds: Mapping[tuple[str, str], KindEntry] = KINDS
    templates: Sequence[Template] = ()

    def expand(self, index: Index, report: Report, cache: ReadCache) -> Expansion | None:
        """Nothing: every object is read as it is."""
        return None

    def read(self, index: Index, report: Report, cache: ReadCache) -> Reading:
        """Read every object of this dialect's kinds into the model."""
        if not any(index.all(*kind) or index.broken(kind[1]) for kind in KINDS):
            return Reading()
        # It brings every plugin along, which takes a tenth of a second that other manifests do not need.
        from anygate.dialects.apisix.read import read

        return read(index, report, cache)


DIALECT = Apisix()
