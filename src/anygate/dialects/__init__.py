"""Every dialect that is known. Adding one is one folder and one line here."""

from anygate.dialects.apisix import DIALECT as APISIX
from anygate.dialects.app_mesh import DIALECT as APP_MESH
from anygate.dialects.dialect import Dialect
from anygate.dialects.envoy_ai import DIALECT as ENVOY_AI
from anygate.dialects.gateway_api import DIALECT as GATEWAY_API
from anygate.dialects.nantian import DIALECT as NANTIAN

DIALECTS: tuple[Dialect, ...] = (GATEWAY_API, ENVOY_AI, APP_MESH, NANTIAN, APISIX)
