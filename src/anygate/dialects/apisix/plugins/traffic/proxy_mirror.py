"""proxy-mirror: copies for another backend. https://apisix.apache.org/docs/apisix/plugins/proxy-mirror/"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.model.route import Forward, HttpRule, Mirror

_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
_PARTS = 100_000


class ProxyMirrorConfig(Config):
    """Where copies go, and of how many requests."""

    host: Annotated[str, Field(pattern=r"^(http|grpc)s?://([\da-zA-Z.-]+|\[[\da-fA-F:]+\])(:\d+)?$")]
    path: Annotated[str, Field(pattern=r"^/[^?&]+$")] | None = None
    path_concat_mode: Literal["replace", "prefix"] = "replace"
    sample_ratio: float = Field(default=1, ge=0.00001, le=1)


class ProxyMirror:
    """Envoy's own copies, which keep the path of the request."""

    name = "proxy-mirror"
    config = ProxyMirrorConfig
    is_guard = False

    def apply(
        self, config: ProxyMirrorConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Copy some of the rule's requests."""
        if not isinstance(rule.action, Forward):
            return [rule]
        if config.path is not None:
            surroundings.note(NOT_HONOURED, "copies keep the path of the request", ("path",))
        url = urlsplit(config.host)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        node = f"{host}:{url.port or _PORTS[url.scheme]}"
        upstream = {"type": "roundrobin", "scheme": url.scheme, "nodes": {node: 1}}
        name = surroundings.resolve_upstream(upstream, ("host",))
        if isinstance(name, Refusal):
            return name
        share = Fraction(round(config.sample_ratio * _PARTS), _PARTS)
        mirror = Mirror(
            origin=surroundings.origin, backend=name, numerator=share.numerator, denominator=share.denominator
        )
        return [msgspec.structs.replace(rule, mirrors=(*rule.mirrors, mirror))]
