"""proxy-cache: answers kept for later requests. https://apisix.apache.org/docs/apisix/plugins/proxy-cache/"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Literal

import msgspec
from pydantic import Field

from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.kinds.cache_zones import CacheZone, read_size
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.variables import CALLER, find_variable
from anygate.dialects.apisix.settings import read_settings
from anygate.manifests.sequences import Distinct, NonEmpty
from anygate.model.cache import Cache, Part
from anygate.model.checks import WolfCheck
from anygate.model.route import Forward, HttpRule
from anygate.model.security import Security
from anygate.model.text import Variable

_DEFAULT_ZONE = "disk_cache_one"
_IDENTITIES = ("$consumer_name", "$consumer_group_id", "$remote_user", "$http_authorization")
"""What a key may tell callers apart by itself."""

_UNTOLD = ("status", "endpoint", "time", "unique_id")
"""What is not known yet, or never twice the same, when a kept answer is looked for."""

Written = Annotated[str, Field(pattern=r"^[^$].+$|^\$[0-9a-zA-Z_]+$")]
"""A variable, or a text."""


class ProxyCacheConfig(Config):
    """What is kept, and by what it is found again."""

    cache_strategy: Literal["disk", "memory"] = "disk"
    cache_zone: str = Field(default=_DEFAULT_ZONE, min_length=1, max_length=100)
    cache_key: NonEmpty[Written] = ("$host", "$request_uri")
    cache_http_status: Distinct[Annotated[int, Field(ge=200, le=599)]] = (200, 301, 404)
    cache_method: Distinct[Literal["GET", "POST", "HEAD"]] = ("GET", "HEAD")
    cache_ttl: int = Field(default=300, ge=1)
    hide_cache_headers: bool = False
    cache_control: bool = False
    cache_bypass: NonEmpty[Written] | None = None
    no_cache: NonEmpty[Written] | None = None
    consumer_isolation: bool = True
    cache_set_cookie: bool = False
    max_resp_body_size: int = Field(default=64 * 1024 * 1024, ge=1)


class _UntoldError(Exception):
    """A variable without which requests could get what is not for them."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class ProxyCache:
    """Kept by a service beside Envoy, for both strategies in memory. Without it every answer is the backend's."""

    name = "proxy-cache"
    config = ProxyCacheConfig
    is_guard = False

    def apply(
        self, config: ProxyCacheConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Keep the answers of the rule's backends."""
        if not isinstance(rule.action, Forward):
            return [rule]
        settings = read_settings(surroundings.index).proxy_cache
        zone = _find_zone(config, settings.zones)
        if isinstance(zone, Refusal):
            return zone
        if "$request_method" in config.cache_key:
            place = ("cache_key", config.cache_key.index("$request_method"))
            return Refusal(PLUGIN_CONFIG, "a key has no place for $request_method", path=place)
        in_memory = config.cache_strategy == "memory"
        try:
            cache = Cache(
                origin=surroundings.origin,
                strategy=config.cache_strategy,
                zone=zone.name,
                lifetime=timedelta(seconds=config.cache_ttl) if in_memory else settings.cache_ttl,
                key=(*_read_parts(config.cache_key, "cache_key", _UNTOLD), *_find_told(config, rule.security)),
                callers=_callers(rule.security) if _is_isolated(config) else (),
                capacity=read_size(zone.size),
                largest=config.max_resp_body_size,
                methods=tuple(config.cache_method),
                statuses=tuple(config.cache_http_status),
                bypass=tuple(_read_parts(config.cache_bypass or (), "cache_bypass", _UNTOLD)),
                excluded=tuple(_read_parts(config.no_cache or (), "no_cache", _UNTOLD[1:])),
                # nginx, which keeps what is on disk, knows neither.
                client_directives=config.cache_control and in_memory,
                keeps_cookies=config.cache_set_cookie and in_memory,
                hides_lifetime=config.hide_cache_headers,
            )
        except _UntoldError as untold:
            return untold.refusal
        return [msgspec.structs.replace(rule, cache=cache)]


def _find_zone(config: ProxyCacheConfig, zones: Sequence[CacheZone]) -> CacheZone | Refusal:
    found = next((zone for zone in zones if zone.name == config.cache_zone), None)
    if found is not None and found.strategy == config.cache_strategy:
        return found
    usable = [zone.name for zone in zones if zone.strategy == config.cache_strategy]
    text = f"there is no zone {config.cache_zone} for the strategy {config.cache_strategy}"
    hint = f"zones are in an ApisixSettings; for {config.cache_strategy} there is {' and '.join(usable) or 'none'}"
    return Refusal(PLUGIN_CONFIG, text, hint, ("cache_zone",))


def _read_parts(parts: Sequence[str], field: str, untold: Sequence[str]) -> Iterator[Part]:
    """The values of a field's parts; raises _UntoldError for a variable that nothing tells."""
    for index, part in enumerate(parts):
        if not part.startswith("$"):
            yield part
            continue
        variable = find_variable(part[1:])
        if variable is None or variable.kind in untold:
            text = f"nothing tells {part} here, so that some requests would get what is not for them"
            raise _UntoldError(Refusal(PLUGIN_CONFIG, text, path=(field, index)))
        yield variable


def _is_isolated(config: ProxyCacheConfig) -> bool:
    """Whether callers share no answers although the key does not tell them apart."""
    return config.consumer_isolation and not any(one in config.cache_key for one in _IDENTITIES)


def _find_told(config: ProxyCacheConfig, security: Security | None) -> tuple[Part, ...]:
    """The headers in which backends are told of a user by others than consumers, which no part of a key stands for."""
    if not config.consumer_isolation or security is None:
        return ()
    names = [security.access_token_header, security.userinfo_header]
    if security.oidc:
        names += [security.oidc.id_claims_header, security.oidc.id_token_header]
    if security.forward_auth:
        names += security.forward_auth.headers_to_backend
    for check in security.checks:
        if isinstance(check, WolfCheck):
            names += [name for application in check.applications for name in application.user_headers]
    return _headers(*dict.fromkeys(name.lower() for name in names if name))


def _callers(security: Security | None) -> tuple[tuple[Part, ...], ...]:
    """Who calls: the consumer, or whoever has the same credentials, wherever the rule's checks look for them."""
    names = ["authorization"]
    if security and (security.oidc or security.ext_auth or security.forward_auth or security.checks):
        asked = security.forward_auth.headers if security.forward_auth else ()
        names += ["cookie", *map(str.lower, asked)]
    return (_headers(CALLER), _headers(*dict.fromkeys(names)))


def _headers(*names: str) -> tuple[Part, ...]:
    return tuple(Variable(kind="header", name=name) for name in names)
