"""Every dialect that is known. Adding one is one folder and one line here."""

from anygate.dialects.dialect import Dialect
from anygate.dialects.gateway_api import DIALECT as GATEWAY_API

DIALECTS: tuple[Dialect, ...] = (GATEWAY_API,)
