"""What must not reach a provider, or not from an earlier attempt at another one; then the provider's own headers."""

from typing import Any

from anygate.envoy.api import build, typed
from anygate.envoy.edits import build_mutations
from anygate.envoy.upstream.rewrite import CREDENTIAL_HEADER
from anygate.envoy.upstream.setting import CREDENTIALS, Setting, target_of
from anygate.model.inference import Provider
from anygate.providers.order import EGRESS_HEADER, ENDPOINT_HEADER, PROVIDER_HEADER

_NAME = "anygate.headers"
_MUTATION = "envoy.config.common.mutation_rules.v3.HeaderMutation"
_INTERNAL = ("x-ai-eg-", "x-aigw-", "x-envoy-")
"""Prefixes of headers that are between a client, its gateway and Envoy."""

_ANTHROPIC_VERSION = "2023-06-01"


def build_headers(provider: Provider, setting: Setting) -> dict[str, Any]:
    """Build the header changes of a provider's cluster."""
    changes = _removals(setting, keeps=provider.passes_credentials)
    if provider.override is not None:
        changes.append(_set(target_of(provider), f"%REQ({CREDENTIAL_HEADER})%"))
    changes.append(_without_prefix("x-anygate-"))
    # Tried on Envoy 1.40: of a compressed answer no usage is read, so it would be neither recorded nor charged to a
    # budget. The vendors' clients all ask for gzip, and providers oblige.
    changes.append(_set("accept-encoding", "identity"))
    if provider.format == "Anthropic":
        # Anthropic refuses requests without; its own clients send theirs.
        version = provider.version or _ANTHROPIC_VERSION
        changes.append(_set("anthropic-version", version, "ADD_IF_ABSENT"))
    if provider.headers is not None:
        changes += build_mutations(provider.headers, provider.origin)
    return _entry(changes)


def build_order_headers(order: str, provider: Provider, setting: Setting) -> dict[str, Any]:
    """Build the header changes on the way to the adapter, which gets no credential but one that is for its provider.

    The body is the client's, so its length is dropped in case an earlier attempt changed it: it is sent in chunks.
    """
    sources = (provider.override.header.lower(),) if provider.override is not None else ()
    others = setting._replace(sources=tuple(name for name in setting.sources if name not in sources))
    prefixes = _INTERNAL if not sources else ("x-ai-eg-", "x-envoy-")
    changes = _removals(others, prefixes, keeps=provider.passes_credentials)
    changes += [_remove("content-length"), _remove(EGRESS_HEADER)]
    changes.append(_set(PROVIDER_HEADER, order.replace("%", "%%")))
    told = " ".join(f"%METADATA(ROUTE:envoy.filters.http.lua:{key})%" for key in ("endpoint", "usage"))
    changes.append(_set(ENDPOINT_HEADER, told))
    return _entry(changes)


def _removals(setting: Setting, prefixes: tuple[str, ...] = _INTERNAL, *, keeps: bool = False) -> list[Any]:
    names = dict.fromkeys((*CREDENTIALS, *setting.targets, *setting.sources))
    if keeps:
        names = dict.fromkeys(name for name in names if name not in setting.passed)
    return [*(_remove(name) for name in names), *(_without_prefix(prefix) for prefix in prefixes)]


def _remove(name: str) -> Any:
    return build(_MUTATION, remove=name)


def _without_prefix(prefix: str) -> Any:
    return build(_MUTATION, remove_on_match={"key_matcher": {"prefix": prefix}})


def _set(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> Any:
    return build(_MUTATION, append={"header": {"key": name, "value": value}, "append_action": action})


def _entry(changes: list[Any]) -> dict[str, Any]:
    name = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    return {"name": _NAME, "typed_config": typed(name, mutations={"request_mutations": changes})}
