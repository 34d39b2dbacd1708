"""AWS App Mesh (appmesh.k8s.aws): its gateways and what they lead to, without AWS."""

from collections.abc import Mapping, Sequence

from anygate.diagnostics import Report
from anygate.dialects.app_mesh.kinds import KINDS
from anygate.dialects.app_mesh.starters import TEMPLATES
from anygate.dialects.dialect import Expansion, KindEntry, ReadCache, Reading
from anygate.dialects.template import Template
from anygate.manifests.index import Index


class AppMesh:
    """The dialect's entry in the table of dialects."""

    name = "app-mesh"
    kinds: Mapping[tuple[str, str], KindEntry] = KINDS
    templates: Sequence[Template] = TEMPLATES

    def expand(self, index: Index, report: Report, cache: ReadCache) -> Expansion | None:
        """Nothing: every object is read as it is."""
        return None

    def read(self, index: Index, report: Report, cache: ReadCache) -> Reading:
        """Read every object of this dialect's kinds into the model."""
        if not any(index.all(*kind) or index.broken(kind[1]) for kind in KINDS):
            return Reading()
        from anygate.dialects.app_mesh.read import read

        return read(index, report, cache)


DIALECT = AppMesh()
