"""Where kept answers are, as APISIX's own configuration says it in `apisix.proxy_cache`."""

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from anygate.manifests.fields import GoDuration
from anygate.manifests.kind import Node
from anygate.manifests.sequences import NonEmpty

_SIZE = re.compile(r"([0-9]{1,9})([kmg]?)", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def _check_size(value: str) -> str:
    if not _SIZE.fullmatch(value) or not read_size(value):
        raise ValueError("expected a size such as 50m or 1g")
    return value


def read_size(text: str) -> int:
    """The bytes of a size in nginx's form."""
    found = _SIZE.fullmatch(text)
    return int(found[1]) * _UNITS[found[2].lower()] if found else 0


Size = Annotated[str, AfterValidator(_check_size)]


class CacheZone(Node):
    """Room for answers. All of them are in memory; the strategy is that of the plugins that may name the zone."""

    name: str = Field(min_length=1, max_length=100)
    strategy: Literal["disk", "memory"]
    size: Size = "50m"


DEFAULT_ZONES = (
    CacheZone(name="disk_cache_one", strategy="disk"),
    CacheZone(name="memory_cache", strategy="memory"),
)
"""Those of APISIX's own configuration."""


class ProxyCacheSettings(Node):
    """The zones, and for how long answers are kept on disk that do not say it themselves."""

    cache_ttl: GoDuration = timedelta(seconds=10)
    zones: NonEmpty[CacheZone] = DEFAULT_ZONES


AS_USUAL = ProxyCacheSettings()
"""What holds where nothing is chosen."""
