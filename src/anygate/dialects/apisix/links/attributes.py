"""The attributes of a link or gateway: what may be said, and the plugin configuration that each one means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from anygate.dialects.apisix.links.entry import Entry, is_placeholder
from anygate.dialects.apisix.links.limits import read_limit
from anygate.dialects.apisix.links.names import is_host, is_network, read_name, read_object_name, read_subdomain
from anygate.dialects.apisix.links.openid import read_openid
from anygate.dialects.apisix.links.rules.attributes import (
    ATTRIBUTE_UNUSED,
    CIDR,
    DUPLICATE_PLUGIN,
    HOST,
    SUBDOMAIN,
    WHITELIST_DEFAULT,
)
from anygate.dialects.apisix.links.rules.shape import INVALID_VALUE, MISSING_FIELD
from anygate.dialects.apisix.links.secrets import Credential, read_credential
from anygate.dialects.apisix.links.stack import Apisix, Attributes, Config, ExtraHost, TlsSecret
from anygate.dialects.apisix.links.values import read_seconds, read_size

COMMON = (
    "subdomain",
    "cors",
    "cors_headers",
    "rate_limiting",
    "apisix_oidc_enable",
    "apisix_oidc_param",
    "apisix_oidc_secret",
    "whitelist",
    "ip_whitelist",
    "proxy_rewrite",
    "headers",
    "websocket",
    "apisix_timeout",
    "additional_domain",
    "max_body_size",
    "https_redirect",
    "extra_plugins",
)
"""What every link that serves a host may say, and every gateway."""

VLLM_ALIASES = ("enable_cors", "enable_auth")

_CORS = {"allow_origins": "*", "allow_methods": "*", "allow_headers": "*"}
_CORS_FIELDS = (
    *_CORS,
    "expose_headers",
    "max_age",
    "allow_credential",
    "allow_origins_by_regex",
    "allow_origins_by_metadata",
    "timing_allow_origins",
    "timing_allow_origins_by_regex",
)
_REWRITE_FIELDS = ("uri", "method", "regex_uri", "host", "headers", "use_real_request_uri_unsafe")
_FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
_HEADER_ACTIONS = frozenset(("add", "set", "remove"))
_TIMEOUTS = ("connect", "send", "read")
_PLUGIN_FIELDS = ("name", "enable", "config", "secretRef")


@dataclass(frozen=True, slots=True)
class Setting:
    """What attributes are read with, besides themselves."""

    domain: str
    apisix: Apisix
    environment: Mapping[str, str]


def read_attributes(entry: Entry, setting: Setting, *, needs_subdomain: bool) -> Attributes:
    """Read what a link or gateway says; each mistake is reported and leaves its attribute out."""
    oidc, oidc_secret = read_openid(entry, setting.apisix)
    return Attributes(
        entry=entry,
        subdomain=_read_subdomain(entry, needed=needs_subdomain),
        cors=_read_cors(entry),
        rate_limit=_read_limit(entry, setting.apisix),
        oidc=oidc,
        oidc_secret=oidc_secret,
        whitelist=_read_whitelist(entry, setting.apisix),
        rewrite=_read_rewrite(entry),
        websocket=_read_flag(entry, "websocket"),
        timeout=_read_timeout(entry),
        extra_hosts=_read_extra_hosts(entry, setting.apisix),
        max_body_size=_read(entry, "max_body_size", read_size),
        route_all=_read_flag(entry, "route_all"),
        api_key=_read_api_key(entry, setting.environment),
        https_redirect=_read_flag(entry, "https_redirect"),
        paths=_read_paths(entry),
        extra_plugins=_read_extra_plugins(entry),
        pipelines_subdomain=_read(entry, "pipelines_subdomain", read_subdomain) or "",
    )


def _read(entry: Entry, key: str, reader: Any) -> Any:
    found = entry.get(key)
    return reader(found) if found is not None else None


def _read_flag(entry: Entry, key: str) -> bool:
    return bool(_read(entry, key, Entry.flag))


def _read_subdomain(entry: Entry, *, needed: bool) -> str:
    found = entry.get("subdomain")
    if found is not None:
        return read_subdomain(found) or ""
    if needed:
        entry.refuse(SUBDOMAIN, "there is no subdomain", hint='add "subdomain: NAME"; the host is NAME and the domain')
    return ""


def _is_off(entry: Entry | None, key: str, *uses: Entry | None) -> bool:
    """Whether an attribute is switched off, which leaves others that need it without effect."""
    if entry is None or entry.as_flag() is not False:
        return False
    for use in uses:
        if use is not None:
            use.refuse(ATTRIBUTE_UNUSED, f"this has no effect, since {key} is off", hint=f"switch {key} on, or drop it")
    return True


def _read_cors(entry: Entry) -> Config | None:
    alias = entry.get("enable_cors")
    cors, headers = entry.get("cors") or alias, entry.get("cors_headers")
    if (cors is None and headers is None) or _is_off(cors, "cors", headers):
        return None
    config: Config = dict(_CORS)
    for part in (cors, headers):
        if part is None or (part is cors and part.as_flag()):
            continue
        fields = part.mapping() if isinstance(part.value, dict) or part is headers or _is_block(part) else None
        if fields is not None:
            fields.check_keys(_CORS_FIELDS)
            config |= fields.value
        elif part is cors and not _is_block(part):
            part.flag()
    origins = config["allow_origins"]
    if origins == "*" and config.get("allow_credential") is True:
        hint = "name the origins, or use ** to let every origin in"
        (headers or cors or entry).refuse(
            INVALID_VALUE, 'allow_credential cannot be combined with allow_origins "*"', hint=hint
        )
    return config


def _is_block(entry: Entry) -> bool:
    return isinstance(entry.value, str) and ":" in entry.value


def _read_limit(entry: Entry, apisix: Apisix) -> Config | None:
    found = entry.get("rate_limiting")
    return read_limit(found, apisix.rate_limit) if found is not None else None


def _read_whitelist(entry: Entry, apisix: Apisix) -> tuple[str, ...]:
    switch, addresses = entry.get("whitelist"), entry.get("ip_whitelist")
    if (switch is None and addresses is None) or _is_off(switch, "whitelist", addresses):
        return ()
    is_on = switch is None or switch.as_flag() is True
    found = [*([] if is_on or switch is None else read_networks(switch))]
    found += read_networks(addresses) if addresses is not None else []
    if addresses is None and is_on and switch is not None:
        hint = "list the addresses in ip_whitelist, or set apisix.default_whitelist"
        listed = ", ".join(apisix.default_whitelist)
        switch.refuse(
            WHITELIST_DEFAULT, f"no addresses are given, so that those of the stack hold: {listed}", hint=hint
        )
        return apisix.default_whitelist
    return tuple(dict.fromkeys(found))


def read_networks(entry: Entry) -> list[str]:
    """Addresses and CIDR blocks, divided by spaces, commas or lines."""
    found = []
    lines = entry.lines()
    for line in lines:
        for word in line.text.replace(",", " ").split():
            if is_network(word):
                found.append(word)
            else:
                hint = "write it like 10.1.0.0/16, 192.0.2.7 or fd00::/8"
                message = f'"{word[:60]}" is not an IP address or CIDR block'
                entry.refuse(CIDR, message, span=line.span, hint=hint)
    if not lines and isinstance(entry.value, str | list):
        entry.refuse(CIDR, "the list of addresses is empty", hint="an empty whitelist would let nobody in")
    return found


def _read_rewrite(entry: Entry) -> Config | None:
    switch, headers = entry.get("proxy_rewrite"), entry.get("headers")
    if (switch is None and headers is None) or _is_off(switch, "proxy_rewrite", headers):
        return None
    config: Config = {"headers": {"set": dict(_FORWARDED)}}
    if switch is not None and switch.as_flag() is None:
        fields = switch.mapping() if isinstance(switch.value, dict) or _is_block(switch) else None
        if fields is None:
            switch.flag()
            return None
        fields.check_keys(_REWRITE_FIELDS)
        config = dict(fields.value)
        if not config:
            fields.refuse(MISSING_FIELD, f"expected at least one of {', '.join(_REWRITE_FIELDS)}", hint="or write true")
    if headers is not None:
        set_headers(config, _read_headers(headers))
    return config


def set_headers(config: Config, headers: Mapping[str, str]) -> None:
    """Add headers to a configuration of proxy-rewrite that is the caller's own."""
    written = config.get("headers") or {}
    if not isinstance(written, dict) or not written.keys() <= _HEADER_ACTIONS:
        # A flat mapping means the same as `set`.
        written = {"set": written}
    config["headers"] = {**written, "set": {**(written.get("set") or {}), **headers}}


def _read_headers(entry: Entry) -> dict[str, str]:
    """Headers as a mapping, or as lines of the form `Name: value`, whose values may hold anything."""
    if isinstance(entry.value, dict):
        return {name: str(value) for name, value in entry.value.items()}
    found = {}
    for line in entry.lines():
        name, colon, value = (part.strip() for part in line.text.partition(":"))
        if not colon or not name or not all(char.isalnum() or char in "-_." for char in name) or not name.isascii():
            message = "expected a header of the form Name: value"
            entry.refuse(INVALID_VALUE, message, span=line.span, hint="write one header per line")
        else:
            found[name] = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
    return found


def _read_timeout(entry: Entry) -> dict[str, str]:
    found = entry.get("apisix_timeout")
    fields = found.mapping() if found is not None else None
    if fields is None:
        return {}
    fields.check_keys(_TIMEOUTS)
    seconds = {name: _read(fields, name, read_seconds) for name in _TIMEOUTS}
    return {name: f"{value or 60}s" for name, value in seconds.items()}


def _read_extra_hosts(entry: Entry, apisix: Apisix) -> tuple[ExtraHost, ...]:
    found = entry.get("additional_domain")
    if found is None:
        return ()
    hosts = []
    for line in found.lines():
        host, *rest = line.text.split()
        host = host.lower().rstrip(".")
        name = rest[0].removeprefix("secret=") if rest else ""
        namespace, _, name = name.rpartition("/")
        if is_placeholder(line.text) or not is_host(host):
            hint = "write a host name per line, without scheme, port and path"
            found.refuse(HOST, f'"{line.text[:80]}" is not a host name', span=line.span, hint=hint)
        elif rest and (len(rest) > 1 or not rest[0].startswith("secret=") or not is_host(name)):
            hint = "write HOST, HOST secret=NAME or HOST secret=NAMESPACE/NAME"
            found.refuse(HOST, f'cannot read what follows the host in "{line.text[:80]}"', span=line.span, hint=hint)
        else:
            secret = TlsSecret(name, namespace or apisix.namespace) if rest else None
            hosts.append(ExtraHost(host, secret, line.span))
    return tuple(hosts)


def _read_api_key(entry: Entry, environment: Mapping[str, str]) -> Credential | None:
    switch, key = entry.get("enable_auth"), entry.get("api_key")
    if _is_off(switch, "enable_auth", key):
        return None
    if switch is not None and key is None and switch.flag():
        message = 'missing field "api_key", which enable_auth needs'
        entry.refuse(MISSING_FIELD, message, span=switch.span, hint="such as api_key: {secret: NAME}")
    return read_credential(key, environment) if key is not None else None


def _read_paths(entry: Entry) -> tuple[str, ...]:
    found = entry.get("paths")
    if found is None:
        return ()
    lines = found.lines()
    for line in lines:
        check_path(found, line.text, line)
    if not lines:
        found.refuse(INVALID_VALUE, "the list of paths is empty", hint="leave it out to route every path")
    return tuple(dict.fromkeys(line.text for line in lines))


def check_path(entry: Entry, path: str, line: Any = None) -> None:
    """Report a path that APISIX could not match."""
    if not path.startswith("/") or any(char.isspace() for char in path) or "*" in path[:-1]:
        hint = 'begin with "/"; "*" may only stand at the end'
        span = line.span if line is not None else entry.span
        entry.refuse(INVALID_VALUE, f'"{path[:80]}" is not a path', span=span, hint=hint)


def _read_extra_plugins(entry: Entry) -> tuple[Config, ...]:
    found = entry.get("extra_plugins")
    items = found.sequence() if found is not None else None
    if items is None:
        return ()
    plugins: list[Config] = []
    for item in items.items():
        fields = item.mapping()
        name = fields.require("name") if fields is not None else None
        if fields is None or name is None or read_name(name) is None:
            continue
        fields.check_keys(_PLUGIN_FIELDS)
        for key, reader in (("enable", Entry.flag), ("config", Entry.mapping), ("secretRef", read_object_name)):
            _read(fields, key, reader)
        if any(one["name"] == name.value for one in plugins):
            name.refuse(DUPLICATE_PLUGIN, f'the plugin "{name.value}" is listed twice', hint="merge the two entries")
        # The CRD requires `enable`; everything else stays as it was written.
        plugins.append({"name": name.value, "enable": True, **fields.value})
    return tuple(plugins)
