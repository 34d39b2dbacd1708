"""Whether a reference may leave its namespace (Gateway API: ReferenceGrant)."""

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.context import Context, Fault
from anygate.dialects.gateway_api.findings import REF_NOT_PERMITTED
from anygate.manifests.grants import is_granted


def check_grant(context: Context, target: ObjectRef, source: ObjectRef) -> Fault | None:
    """Why a reference across namespaces is not allowed; None when it is."""
    if target.namespace == source.namespace or is_granted(
        context.index, source.group, source.kind, source.namespace, *target
    ):
        return None
    text = f"no ReferenceGrant in namespace {target.namespace} allows {source.kind}s of namespace "
    text += f"{source.namespace} to refer to {target}"
    return Fault(
        REF_NOT_PERMITTED,
        "RefNotPermitted",
        text,
        f"add a ReferenceGrant to namespace {target.namespace}",
    )
