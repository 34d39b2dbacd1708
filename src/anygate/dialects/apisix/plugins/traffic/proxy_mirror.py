"""proxy-mirror: copies for another backend. https://apisix.apache.org/docs/apisix/plugins/proxy-mirror/"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.model.edit import PathRewrite, Rewrite
from anygate.model.listener import Stage
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule, Mirror

_PORTS = {"http": 80, "https": 443, "grpc": 80, "grpcs": 443}
_PARTS = 100_000


class ProxyMirrorConfig(Config):
    """Where copies go, and of how many requests."""

    host: Annotated[str, Field(pattern=r"^(http|grpc)s?://([\da-zA-Z.-]+|\[[\da-fA-F:]+\])(:\d+)?$")]
    path: Annotated[str, Field(pattern=r"^/[^?&]+$")] | None = None
    path_concat_mode: Literal["replace", "prefix"] = "replace"
    sample_ratio: float = Field(default=1, ge=0.00001, le=1)


class ProxyMirror:
    """Envoy's own copies. They have the path of the request; one of their own is made by a stage on their way."""

    name = "proxy-mirror"
    config = ProxyMirrorConfig
    is_guard = False

    def apply(
        self, config: ProxyMirrorConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Copy some of the rule's requests."""
        if not isinstance(rule.action, Forward):
            return [rule]
        url = urlsplit(config.host)
        host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
        node = f"{host}:{url.port or _PORTS[url.scheme]}"
        upstream = {"type": "roundrobin", "scheme": url.scheme, "nodes": {node: 1}}
        name = surroundings.resolve_upstream(upstream, ("host",))
        if isinstance(name, Refusal):
            return name
        stage = surroundings.add_copies(_make_stage(config, config.path, name, surroundings)) if config.path else ""
        share = Fraction(round(config.sample_ratio * _PARTS), _PARTS)
        mirror = Mirror(
            origin=surroundings.origin,
            backend=name,
            stage=stage,
            numerator=share.numerator,
            denominator=share.denominator,
        )
        return [msgspec.structs.replace(rule, mirrors=(*rule.mirrors, mirror))]


def _make_stage(config: ProxyMirrorConfig, path: str, backend: str, surroundings: Surroundings) -> Stage:
    """What gives copies their path: in place of that of the request, or in front of it."""
    here = surroundings.origin
    kind: Literal["full", "prefix"] = "full" if config.path_concat_mode == "replace" else "prefix"
    rule = HttpRule(
        origin=here,
        name="copy",
        action=Forward(origin=here, targets=(BackendTarget(origin=here, backend=backend),)),
        rewrite=Rewrite(path=PathRewrite(kind=kind, value=path)),
    )
    name = f"apisix/copies/{here.object}#{here.path}"
    return Stage(origin=here, name=name, routes=(HttpRoute(origin=here, name=name, rules=(rule,)),))
