"""Instances of the AI plugins as backends: one for each API of a provider that clients may get."""

from datetime import timedelta
from typing import NamedTuple

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.ai.bodies import read_body
from anygate.dialects.apisix.plugins.ai.credentials import Access, read_access
from anygate.dialects.apisix.plugins.ai.instances import Exchange, Instance, Override, VendorSettings, name_backend
from anygate.dialects.apisix.plugins.ai.vendors import (
    BEDROCK,
    CHAT,
    CONVERSE,
    EMBEDDINGS,
    ENDPOINTS,
    MESSAGES,
    RESPONSES,
    Site,
    find_api,
    find_site,
    format_of,
)
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.provider_backends import specialise
from anygate.dialects.url_backend import build_url_backend
from anygate.model.backend import ActiveCheck, Backend, CircuitBreaker
from anygate.model.inference import ModelEndpoint, Provider
from anygate.urls import split_url

_ENDINGS = {"/chat/completions": CHAT, "/responses": RESPONSES, "/embeddings": EMBEDDINGS, "/messages": MESSAGES}
_USUAL = {f"/v1{ending}": api for ending, api in _ENDINGS.items()}


class Place(NamedTuple):
    """Where an instance is written: its name, and the field of the plugin's `config`."""

    name: str
    path: FieldPath = ()
    check: ActiveCheck | None = None


def read_backends(
    instance: Instance, exchange: Exchange, place: Place, surroundings: Surroundings
) -> dict[ModelEndpoint, Backend] | Refusal:
    """The backend that requests for each endpoint go to, as far as the provider has one."""
    settings = instance.provider_conf or VendorSettings()
    site = _find_site(instance, settings, place)
    if isinstance(site, Refusal):
        return site
    base = build_url_backend(site.endpoint, surroundings.origin, verify=exchange.ssl_verify)
    if base is None:
        text = f"{site.endpoint} is no URL of http or https"
        return Refusal(PLUGIN_CONFIG, text, path=(*place.path, "override", "endpoint"))
    access = read_access(
        instance.auth, name_backend(surroundings.origin, place.name, "credential"), settings.region, surroundings
    )
    if isinstance(access, Refusal):
        return _within(access, place.path)
    found: dict[ModelEndpoint, Backend] = {}
    made: dict[Provider, Backend] = {}
    for endpoint, spoken in ENDPOINTS.items():
        api = find_api(site, spoken)
        if not api:
            continue
        provider = _read_provider(instance, site, api, access, place, surroundings)
        if provider not in made:
            name = name_backend(surroundings.origin, place.name, api)
            made[provider] = specialise(_connect(base, exchange, place), name, provider)
        found[endpoint] = made[provider]
    return found


def _within(refusal: Refusal, before: FieldPath) -> Refusal:
    """A refusal of a part of an instance, with the whole path of its field."""
    return Refusal(refusal.rule, refusal.message, refusal.hint, (*before, *refusal.path))


def _find_site(instance: Instance, settings: VendorSettings, place: Place) -> Site | Refusal:
    """Where an instance answers. A path of its own is that of the API that it ends as, or of chats."""
    site = find_site(instance.provider, settings)
    wanted = (instance.override or Override()).endpoint
    if wanted is None:
        if not site.endpoint:
            needed = "provider_conf.region" if instance.provider == "bedrock" else "override.endpoint"
            text = f"nothing says where {instance.provider} answers"
            return Refusal(PLUGIN_CONFIG, text, f"give {needed}", (*place.path, "provider"))
        return site
    parts = split_url(wanted)
    endpoint = f"{parts.scheme}://{parts.netloc}"
    if parts.path in ("", "/") or instance.provider == "bedrock":
        if "" in site.paths.values() and instance.provider != "bedrock":
            text = f"nothing says at which path {instance.provider} answers"
            hint = "write the whole URL of its chat API"
            return Refusal(PLUGIN_CONFIG, text, hint, (*place.path, "override", "endpoint"))
        return Site(endpoint, site.paths)
    api = next((api for ending, api in _ENDINGS.items() if parts.path.endswith(ending)), CHAT)
    return Site(endpoint, {api: parts.path + (f"?{parts.query}" if parts.query else "")})


def _read_provider(
    instance: Instance, site: Site, api: str, access: Access, place: Place, surroundings: Surroundings
) -> Provider:
    path = site.paths[api]
    settings = instance.provider_conf or VendorSettings()
    model = instance.options.model if instance.options else None
    return Provider(
        origin=surroundings.origin,
        name=f"{surroundings.owner.namespace}/{place.name}",
        format=format_of(api),
        model=model or "",
        region=settings.region if format_of(api) == BEDROCK else "",
        credential=access.credential,
        headers=access.headers,
        body=read_body(instance, api, place.path, surroundings),
        chat_only=api != RESPONSES,
        path="" if _USUAL.get(path) == api or api == CONVERSE else path,
    )


def _connect(base: Backend, exchange: Exchange, place: Place) -> Backend:
    connection = msgspec.structs.replace(
        base.connection,
        connect_timeout=timedelta(milliseconds=exchange.timeout),
        idle_timeout=timedelta(milliseconds=exchange.keepalive_timeout),
        circuit_breaker=None if exchange.keepalive else CircuitBreaker(requests_per_connection=1),
        active_check=place.check,
    )
    return msgspec.structs.replace(base, connection=connection)


def note_exchange(exchange: Exchange, surroundings: Surroundings) -> None:
    """Say what of an exchange's settings has no effect."""
    texts = {
        "max_response_bytes": "answers are passed on as they come, however long they are",
        "keepalive_pool": "Envoy keeps as many idle connections as there were requests at a time",
    }
    for name, text in texts.items():
        if name in exchange.model_fields_set and getattr(exchange, name) is not None:
            surroundings.note(NOT_HONOURED, text, (name,))
    logging = exchange.logging
    for name in ("summaries", "payloads"):
        if logging is not None and getattr(logging, name):
            text = "what requests used is in `anygate usage`, and what they said is written nowhere"
            surroundings.note(NOT_HONOURED, text, ("logging", name))
