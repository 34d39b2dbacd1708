"""BackendTLSPolicy: TLS towards a Service or Backend.

Follows the Gateway API reference for BackendTLSPolicy: the policy for a port beats the one for the whole
Service, the older of two for one target wins, and a backend whose policy is not valid gets no traffic.
"""

from anygate.diagnostics import ObjectRef
from anygate.dialects.gateway_api.certificates import read_authorities
from anygate.dialects.gateway_api.context import ENVOY_GATEWAY, GATEWAY_API, Context, Fault, origin
from anygate.dialects.gateway_api.findings import CERTIFICATE_INVALID, POLICY_CONFLICT, POLICY_TARGET_NOT_FOUND
from anygate.dialects.gateway_api.kinds.backendtlspolicy import (
    BackendTLSPolicyV1Alpha2,
    SubjectAltName,
)
from anygate.dialects.gateway_api.kinds.references import LocalPolicyTargetReferenceWithSectionName
from anygate.dialects.gateway_api.lost_policies import broken_targets
from anygate.dialects.gateway_api.status import note
from anygate.manifests.core import Service
from anygate.manifests.kind import Kind, oldest_first
from anygate.model.tls import ClientTls, NameMatch


class BackendTls:
    """Finds the policy for a backend; each policy is read once."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._by_target: dict[tuple[str, str, str, str], ClientTls | Fault] = {}
        items = context.index.all(GATEWAY_API, "BackendTLSPolicy")
        for item in oldest_first(items):
            self._add(item)
        for target, manifest in broken_targets(context, "BackendTLSPolicy"):
            text = f"{manifest.ref} is not valid, so no connection to its target can be trusted"
            fault = Fault(CERTIFICATE_INVALID, "Invalid", text)
            self._by_target[target.kind, target.namespace, target.name, ""] = fault

    def find(self, backend: ObjectRef, port_name: str) -> ClientTls | Fault | None:
        """TLS settings for a backend's port; None when no policy targets it."""
        for section in (port_name, ""):
            found = self._by_target.get((backend.kind, backend.namespace, backend.name, section))
            if found is not None:
                return found
        return None

    def _add(self, item: Kind) -> None:
        namespace = item.manifest.ref.namespace
        spec = item.spec
        old = isinstance(item, BackendTLSPolicyV1Alpha2)
        targets = (spec.target_ref,) if old else spec.target_refs
        tls = self._read(item)
        for number, target in enumerate(targets):
            key = (target.kind, namespace, target.name, target.section_name or "")
            ref = ObjectRef(target.group, target.kind, namespace, target.name)
            section = self._context.status.target(item.manifest.ref, ref, target.section_name or "")
            if isinstance(tls, Fault):
                note(section, "ResolvedRefs", False, tls.reason, tls.message)
                note(section, "Accepted", False, "NoValidCACertificate", tls.message)
            if key in self._by_target:
                text = f"an older BackendTLSPolicy already targets {target.kind} {target.name}"
                fault = Fault(POLICY_CONFLICT, "Conflicted", text)
                path = ("spec", "targetRef") if old else ("spec", "targetRefs", number)
                self._context.refuse(section, "Accepted", fault, item.manifest, path)
                continue
            note(section, "Accepted", True, "Accepted")
            note(section, "ResolvedRefs", True, "ResolvedRefs")
            self._by_target[key] = tls
            problem = self._find_mistake(target, namespace)
            if problem:
                path = ("spec", "targetRef") if old else ("spec", "targetRefs", number)
                fault = Fault(POLICY_TARGET_NOT_FOUND, "TargetNotFound", problem)
                self._context.refuse(section, "Accepted", fault, item.manifest, path)

    def _find_mistake(self, target: LocalPolicyTargetReferenceWithSectionName, namespace: str) -> str:
        """Why a policy would have no effect on its target; empty when it has one."""
        ref = ObjectRef(target.group, target.kind, namespace, target.name)
        if (target.group, target.kind) not in (("", "Service"), (ENVOY_GATEWAY, "Backend")):
            return f"a BackendTLSPolicy cannot target a {target.kind} of group {target.group or 'core'}"
        found = self._context.index.get(*ref)
        if found is None:
            return f"there is no {ref}"
        names = {port.name for port in found.spec.ports} if isinstance(found, Service) else set()
        if target.section_name and target.section_name not in names:
            return f"{ref} has no port called {target.section_name}"
        return ""

    def _read(self, item: Kind) -> ClientTls | Fault:
        ref = item.manifest.ref
        alternatives: tuple[SubjectAltName, ...] = ()
        if isinstance(item, BackendTLSPolicyV1Alpha2):
            check, base = item.spec.tls, ("spec", "tls")
            references, system = check.ca_cert_refs, check.well_known_ca_certs
            field = "caCertRefs"
        else:
            check, base = item.spec.validation, ("spec", "validation")
            references, system = check.ca_certificate_refs, check.well_known_ca_certificates
            field, alternatives = "caCertificateRefs", check.subject_alt_names
        name, faults = read_authorities(self._context, references, ref, f"BackendTLSPolicy/{ref.namespace}/{ref.name}")
        for number, fault in faults:
            self._context.add(fault.rule, fault.message, item.manifest, (*base, field, number), hint=fault.hint)
        if not name and not system:
            first = faults[0][1] if faults else None
            return Fault(
                CERTIFICATE_INVALID,
                first.reason if first else "InvalidCACertificateRef",
                first.message if first else f"{ref} names no certificate authority",
            )
        return ClientTls(
            origin=origin(item.manifest, base),
            sni=check.hostname,
            authorities=name,
            system_authorities=system == "System",
            names=tuple(_name(one) for one in alternatives) or (NameMatch(kind="dns", value=check.hostname),),
        )


def _name(alternative: SubjectAltName) -> NameMatch:
    if alternative.type == "URI":
        return NameMatch(kind="uri", value=alternative.uri or "")
    hostname = alternative.hostname or ""
    if hostname.startswith("*."):
        return NameMatch(kind="dns", value=hostname[1:], match="suffix")
    return NameMatch(kind="dns", value=hostname)
