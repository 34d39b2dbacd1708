"""Which namespaces a Gateway or listener lets in."""

from anygate.dialects.gateway_api.kinds.selectors import ListenerNamespaces, RouteNamespaces
from anygate.manifests.index import Index


def allows_namespace(index: Index, wanted: RouteNamespaces | ListenerNamespaces, own: str, namespace: str) -> bool:
    """Whether `namespace` is let in by something that lives in namespace `own`."""
    if wanted.from_ == "All":
        return True
    if wanted.from_ == "Same":
        return namespace == own
    if wanted.from_ == "None" or wanted.selector is None:
        return False
    return index.namespace_matches(namespace, wanted.selector)
