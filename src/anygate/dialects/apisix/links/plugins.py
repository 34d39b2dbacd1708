"""The plugins of a route, in an order that never changes."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from anygate.dialects.apisix.links.attributes import set_headers
from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.front import Consumer
from anygate.dialects.apisix.links.rules.attributes import DUPLICATE_PLUGIN
from anygate.dialects.apisix.links.secrets import Credential
from anygate.dialects.apisix.links.stack import Attributes, Config

ORDER = (
    "client-control",
    "cors",
    "ip-restriction",
    "openid-connect",
    "key-auth",
    "consumer-restriction",
    "ai-prompt-guard",
    "ai-prompt-decorator",
    "ai-proxy",
    "ai-proxy-multi",
    "ai-rate-limiting",
    "proxy-rewrite",
    "limit-count",
    "redirect",
)
"""Before these come none, after them those of extra_plugins."""

_FORWARDED = {"X-Forwarded-Proto": "https"}


def make_consumer(prefix: str, attributes: Attributes, component: str) -> Consumer | None:
    """The consumer of a link or gateway with an API key."""
    if attributes.api_key is None:
        return None
    return Consumer(f"{prefix}-consumer", component, attributes.api_key, attributes.entry)


def build_plugins(
    attributes: Attributes,
    prefix: str,
    namespace: str,
    *,
    own: Mapping[str, Config | None] = MappingProxyType({}),
    secrets: Mapping[str, str] = MappingProxyType({}),
    credential: Credential | None = None,
    provider: str = "",
) -> tuple[Config, ...]:
    """The entries of a route.

    `own` are configurations that attributes do not have, `secrets` the Secrets that complete them, each by the name of
    the plugin; the credential is that of a provider.
    """
    found = {name: config for name, config in _list_configs(attributes, prefix, namespace) if config is not None}
    found |= {name: config for name, config in own.items() if config is not None}
    named = dict(secrets)
    if "openid-connect" in found and attributes.oidc_secret:
        named["openid-connect"] = attributes.oidc_secret.format(prefix)
    if credential is not None:
        found["proxy-rewrite"] = _add_credential(found.get("proxy-rewrite"), credential, provider)
        if credential.secret:
            named["proxy-rewrite"] = credential.secret
    entries = [_write_plugin(name, found[name], named.get(name, "")) for name in ORDER if name in found]
    _check_extra(attributes.entry, attributes.extra_plugins, found)
    return (*entries, *attributes.extra_plugins)


def _list_configs(attributes: Attributes, prefix: str, namespace: str) -> Iterator[tuple[str, Config | None]]:
    size = attributes.max_body_size
    yield "client-control", {"max_body_size": size} if size is not None else None
    yield "cors", attributes.cors
    yield "ip-restriction", {"whitelist": list(attributes.whitelist)} if attributes.whitelist else None
    yield "openid-connect", attributes.oidc
    if attributes.api_key is not None:
        consumer = f"{namespace}_{prefix}-consumer"
        yield "key-auth", {"header": "apikey", "hide_credentials": True}
        # The key of any consumer would do otherwise. Controllers before 2.0 wrote ids without hyphens.
        yield "consumer-restriction", {"whitelist": [consumer, consumer.replace("-", "_")]}
    yield "proxy-rewrite", attributes.rewrite
    yield "limit-count", attributes.rate_limit
    yield "redirect", {"http_to_https": True} if attributes.https_redirect else None


def _write_plugin(name: str, config: Config, secret: str) -> Config:
    entry: Config = {"name": name, "enable": True, "config": config}
    return {**entry, "secretRef": secret} if secret else entry


def _add_credential(rewrite: Config | None, credential: Credential, provider: str) -> Config:
    """The rewrite that also sends a provider's key."""
    config = dict(rewrite or {})
    headers = write_credential(credential, provider)
    if credential.secret:
        # The plugin must have a property of its own before the Secret completes it.
        headers = {**_FORWARDED, **headers}
    set_headers(config, headers)
    return config


def write_credential(credential: Credential, provider: str) -> dict[str, str]:
    """The headers with which a provider takes a key; without the key itself if a Secret holds it."""
    version = {"anthropic-version": "2023-06-01"} if provider == "anthropic" else {}
    if credential.secret:
        return version
    name = {"azure_openai": "api-key", "anthropic": "x-api-key"}.get(provider, "Authorization")
    value = f"Bearer {credential.value}" if name == "Authorization" else credential.value
    return {name: value, **version}


def _check_extra(entry: Entry, extra: Sequence[Config], generated: dict[str, Any]) -> None:
    place = entry.get("extra_plugins")
    for one in extra:
        if one["name"] in generated and place is not None:
            message = f'the plugin "{one["name"]}" is generated from another attribute'
            place.refuse(DUPLICATE_PLUGIN, message, hint="say it in one place")
