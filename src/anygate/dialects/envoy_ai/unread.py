"""What of this dialect's objects has no effect here, so that nothing is dropped in silence."""

from anygate.dialects.envoy_ai.context import Context
from anygate.dialects.envoy_ai.route_findings import NOT_HONOURED


def note_unread(context: Context) -> None:
    """Name the fields of objects that no pass looks at as a whole."""
    for config in context.configs.values():
        spec, manifest = config.spec, config.kind.manifest
        if spec.ext_proc is not None and spec.ext_proc.metadata_forwarding_namespaces:
            path = ("spec", "extProc", "metadataForwardingNamespaces")
            context.add(NOT_HONOURED, "dynamic metadata is not forwarded", manifest, path)
