"""Every dialect that is known. Adding one is one folder and one line here."""

from anygate.dialects.apisix import DIALECT as APISIX
from anygate.dialects.app_mesh import DIALECT as APP_MESH
from anygate.dialects.dialect import Dialect
from anygate.dialects.envoy_ai import DIALECT as ENVOY_AI
from anygate.dialects.gateway_api import DIALECT as GATEWAY_API
from anygate.dialects.nantian import DIALECT as NANTIAN


def declare_rules() -> None:
    """Import what declares the rules of all dialects, most of which is otherwise imported with the first object."""
    import anygate.dialects.apisix.read
    import anygate.dialects.app_mesh.left_behind
    import anygate.dialects.app_mesh.read
    import anygate.dialects.envoy_ai.reading
    import anygate.dialects.envoy_ai.write
    import anygate.dialects.gateway_api.write
    import anygate.dialects.nantian.reading  # noqa: F401 - rules are declared as they are imported


DIALECTS: tuple[Dialect, ...] = (GATEWAY_API, ENVOY_AI, APP_MESH, NANTIAN, APISIX)
