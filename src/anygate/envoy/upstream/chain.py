"""The filters of a provider's cluster in their order, and of the cluster that leads to the adapter instead.

| entry | why there |
|---|---|
| `anygate.rewrite` | first, since it gives back what an earlier attempt changed; path and body before they are signed |
| `anygate.headers` | removes what must not leave, whatever came before; then the provider's own headers |
| `anygate.credential` or `anygate.signing` | after everything that it must not be lost to, or that it signs |
| `anygate.signed` | stops what has no signature |
| codec | sends |
"""

from typing import Any

from anygate.envoy.api import typed
from anygate.envoy.names import cluster_name
from anygate.envoy.upstream.credential import build_credential, build_query_credential
from anygate.envoy.upstream.rewrite import build_restoring, build_rewrite
from anygate.envoy.upstream.setting import Setting, target_of
from anygate.envoy.upstream.signing import build_signing
from anygate.envoy.upstream.strip import build_headers, build_order_headers
from anygate.model.backend import Backend
from anygate.model.inference import AwsCredential, Provider, QueryCredential
from anygate.providers.order import write_order

_CODEC = "envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"


def build_provider_chain(backend: Backend, provider: Provider, setting: Setting) -> list[dict[str, Any]]:
    """Build the filters of a provider's cluster. Raises CannotBuild for what must not be left out."""
    if provider.override is not None:
        target_of(provider)
    chain = [build_rewrite(provider, setting), build_headers(provider, setting)]
    credential = provider.credential
    if isinstance(credential, AwsCredential):
        chain += build_signing(credential, backend, setting.folder)
    elif isinstance(credential, QueryCredential):
        chain += build_query_credential(credential)
    elif credential is not None and (provider.override is None or provider.override.fallback):
        chain.append(build_credential(credential, yields=provider.override is not None))
    return [*chain, _codec()]


def build_adapter_chain(backend: Backend, provider: Provider, setting: Setting) -> list[dict[str, Any]]:
    """Build the filters of the cluster that leads to the adapter: the client's request, and the order what to do."""
    order = write_order(provider, cluster_name(backend))
    chain = [build_restoring(setting)] if setting.kept else []
    return [*chain, build_order_headers(order, provider, setting), _codec()]


def _codec() -> dict[str, Any]:
    return {"name": "envoy.filters.http.upstream_codec", "typed_config": typed(_CODEC)}
