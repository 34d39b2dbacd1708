"""Providers as AIServiceBackends, and references to them with what only those requests have changed."""

from typing import Any, get_args

from anygate.dialects.envoy_ai.kinds.groups import POOL_GROUP
from anygate.dialects.envoy_ai.kinds.schema import SchemaName
from anygate.dialects.envoy_ai.write.credentials import Policies
from anygate.dialects.envoy_ai.write.findings import MODEL_CREDENTIAL, MODEL_OURS, MODEL_ROUTING, MODEL_SETTING
from anygate.dialects.envoy_ai.write.words import given, write_body, write_headers
from anygate.dialects.guest_routes import Host
from anygate.model.backend import Backend
from anygate.model.inference import AwsCredential, Provider, TokenCredential

_OURS = ("Gemini",)
_ENDINGS = ("/chat/completions", "/responses", "/embeddings", "/messages")
_WITH_PREFIX = ("OpenAI", "Anthropic")
_MOST_EDITS = 16
_LOST = {
    "chat_only": "requests for the Responses API go to the provider as they are, and are not made ones for chats",
    "legacy_max_tokens": "the older name of the field max_tokens has no place",
    "passes_credentials": "the client's own credentials go no further than the gateway",
    "otel": "spans of one provider's requests have no place",
    "langfuse": "what is told Langfuse of requests has no place",
}


class Providers:
    """Writes each backend that speaks a provider's API once, with its credential."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._policies = Policies()

    def refer(self, host: Host, backend: Backend, namespace: str) -> dict[str, Any]:
        """A reference that an AIGatewayRoute of this namespace makes, without weight and priority."""
        provider = backend.provider
        assert provider is not None, "whoever asks has looked"
        own, _, name = provider.name.partition("/")
        if provider.origin.kind == "InferencePool":
            host.leave(f"InferencePool/{provider.name}", "has to be there; it stays as it is", provider.origin)
            return {"group": POOL_GROUP, "kind": "InferencePool", "name": name}
        self._name_lost(host, provider)
        headers, body = write_headers(provider.headers), write_body(provider.body)
        if any(len(listed) > _MOST_EDITS for listed in (*headers.values(), *body.values())):
            text = f"a reference takes {_MOST_EDITS} changes of each kind, and there are more"
            host.lose(MODEL_ROUTING, provider.origin, text)
        written = self._write(host, backend, own, name)
        if namespace:
            host.allow("AIGatewayRoute", namespace, "AIServiceBackend", own, written)
        made = {
            "name": written,
            "namespace": own if own != namespace else "",
            "modelNameOverride": provider.model,
            "headerMutation": headers,
            "bodyMutation": body,
        }
        return given(made)

    def finish(self, host: Host) -> None:
        """Write the credentials."""
        self._policies.finish(host)

    def _write(self, host: Host, backend: Backend, namespace: str, name: str) -> str:
        """The name of the AIServiceBackend."""
        provider = backend.provider
        assert provider is not None
        spec = {
            "schema": _write_schema(host, provider),
            "backendRef": host.refer_backend(backend.name, "AIServiceBackend", namespace),
        }
        key = (namespace, repr((spec, provider.name, provider.credential, provider.override, provider.region)))
        if key not in self._names:
            self._names[key] = host.add("AIServiceBackend", namespace, name, {"spec": spec}, [provider.origin])
            self._policies.add(host, provider, namespace, self._names[key])
        return self._names[key]

    def _name_lost(self, host: Host, provider: Provider) -> None:
        for field, text in _LOST.items():
            if getattr(provider, field):
                host.lose(MODEL_SETTING, provider.origin, text)
        if provider.region and not isinstance(provider.credential, AwsCredential | TokenCredential):
            text = f"the region {provider.region} has no place without credentials of its cloud"
            host.lose(MODEL_SETTING, provider.origin, text)
        if provider.forward_proxy:
            text = f"the proxy {provider.forward_proxy} has to be named in a GatewayConfig: without it the provider is "
            host.lose(MODEL_CREDENTIAL, provider.origin, f"{text}reached directly")


def _write_schema(host: Host, provider: Provider) -> dict[str, Any]:
    name, prefix = provider.format, provider.prefix
    if name in _OURS or name not in get_args(SchemaName):
        host.lose(MODEL_OURS, provider.origin, f"only anygate knows AIServiceBackends of schema {name}")
    if provider.path:
        ending = next((one for one in _ENDINGS if provider.path.endswith(one)), "")
        prefix = provider.path.removesuffix(ending).strip("/")
        if not ending or name not in _WITH_PREFIX:
            text = f"requests go to the provider's usual paths, not to {provider.path}"
            host.lose(MODEL_ROUTING, provider.origin, text)
            prefix = ""
        elif not prefix:
            host.lose(MODEL_ROUTING, provider.origin, f"the path {provider.path} becomes /v1{ending}")
    return given({"name": name, "version": provider.version, "prefix": prefix})
