"""The dialect of Nantian Gateway (gateway.nantian.dev): what it adds to the Gateway API."""

from collections.abc import Mapping, Sequence

from anygate.diagnostics import Report
from anygate.dialects.dialect import Expansion, KindEntry, ReadCache, Reading
from anygate.dialects.nantian.kinds import KINDS
from anygate.dialects.nantian.starters import TEMPLATES
from anygate.dialects.template import Template
from anygate.manifests.index import Index


class Nantian:
    """The dialect's entry in the table of dialects."""

    name = "nantian"
    kinds: Mapping[tuple[str, str], KindEntry] = KINDS
    templates: Sequence[Template] = TEMPLATES

    def expand(self, index: Index, report: Report, cache: ReadCache) -> Expansion | None:
        """What this dialect's objects do to the routes of others."""
        if not any(index.all(group, kind) or index.broken(kind) for group, kind in KINDS):
            return None
        from anygate.dialects.nantian.reading import expand

        return expand(index, report, cache)

    def read(self, index: Index, report: Report, cache: ReadCache) -> Reading:
        """Nothing of its own: its objects change what others serve."""
        return Reading()


DIALECT = Nantian()
