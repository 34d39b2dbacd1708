"""TLS of listeners: certificates, client validation, and what a ClientTrafficPolicy adds.

A listener whose TLS cannot be had exactly as written is not served: TLS never degrades.
"""

from dataclasses import replace

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.certificates import read_authorities, read_certificate
from anygate.dialects.gateway_api.context import Context, Fault, origin
from anygate.dialects.gateway_api.findings import CERTIFICATE_INVALID, NOT_HONOURED, UNSUPPORTED
from anygate.dialects.gateway_api.kinds.envoy_gateway.tls import ClientTLSSettings, ClientValidationContext
from anygate.dialects.gateway_api.kinds.listener import FrontendTLSValidation
from anygate.dialects.gateway_api.listeners import GatewayDraft, ListenerDraft
from anygate.dialects.gateway_api.status import note
from anygate.dialects.gateway_api.tls_parameters import read_names, read_parameters
from anygate.manifests.object import Manifest
from anygate.model.tls import ClientValidation, ServerTls


def read_listener_tls(context: Context, drafts: list[GatewayDraft]) -> None:
    """Read the TLS settings of every listener that terminates TLS."""
    for draft in drafts:
        for listener in draft.listeners:
            if listener.valid and listener.protocol in ("HTTPS", "TLS") and not listener.passthrough:
                _read_tls(context, draft, listener)
        _check_ports(context, draft)


def _check_ports(context: Context, draft: GatewayDraft) -> None:
    """Say so where client validation is asked for on a port that no HTTPS listener has."""
    tls = draft.gateway.spec.tls
    ports = {listener.spec.port for listener in draft.listeners if listener.protocol == "HTTPS"}
    for number, one in enumerate(tls.frontend.per_port if tls and tls.frontend else ()):
        if one.port not in ports:
            text = f"no HTTPS listener has port {one.port}"
            path = ("spec", "tls", "frontend", "perPort", number, "port")
            context.add(NOT_HONOURED, text, draft.manifest, path)


def _read_tls(context: Context, draft: GatewayDraft, listener: ListenerDraft) -> None:
    assert listener.spec.tls is not None
    path = (*listener.path, "tls", "certificateRefs")
    names = []
    for number, reference in enumerate(listener.spec.tls.certificate_refs):
        found = read_certificate(context, reference, listener.owner.ref)
        if isinstance(found, Fault):
            context.refuse(listener.section, "ResolvedRefs", found, listener.owner, (*path, number))
            listener.invalidate()
        else:
            names.append(found)
    if not listener.spec.tls.certificate_refs:
        text = "a certificate is needed; TLS options of other implementations give none here"
        fault = Fault(CERTIFICATE_INVALID, "InvalidCertificateRef", text, "name a Secret in certificateRefs")
        context.refuse(listener.section, "ResolvedRefs", fault, listener.owner, (*listener.path, "tls"))
    if not names:
        listener.invalidate()
        return
    listener.tls = ServerTls(
        origin=origin(listener.owner, (*listener.path, "tls")),
        certificates=tuple(names),
        client_validation=_read_frontend(context, draft, listener),
    )


def _read_frontend(context: Context, draft: GatewayDraft, listener: ListenerDraft) -> ClientValidation | None:
    """Client validation from the Gateway (GEP-91), or from the listener in the older shape."""
    assert listener.spec.tls is not None
    if listener.spec.tls.frontend_validation is not None:
        path = (*listener.path, "tls", "frontendValidation")
        return _read_validation(context, listener, listener.owner, listener.spec.tls.frontend_validation, path)
    tls = draft.gateway.spec.tls
    if tls is None or tls.frontend is None or listener.protocol != "HTTPS":
        return None
    path = ("spec", "tls", "frontend")
    for number, port in enumerate(tls.frontend.per_port):
        if port.port == listener.spec.port:
            if port.tls.validation is None:
                return None
            at: FieldPath = (*path, "perPort", number, "tls", "validation")
            return _read_validation(context, listener, draft.manifest, port.tls.validation, at)
    if tls.frontend.default.validation is None:
        return None
    at = (*path, "default", "validation")
    return _read_validation(context, listener, draft.manifest, tls.frontend.default.validation, at)


def _read_validation(
    context: Context,
    listener: ListenerDraft,
    owner: Manifest,
    found: FrontendTLSValidation,
    path: FieldPath,
) -> ClientValidation | None:
    label = f"{owner.ref.kind}/{owner.ref.namespace}/{owner.ref.name}/{listener.spec.name}"
    name, faults = read_authorities(context, found.ca_certificate_refs, owner.ref, label)
    for number, fault in faults:
        at = (*path, "caCertificateRefs", number)
        reason = "InvalidCACertificateKind" if fault.reason == "InvalidKind" else fault.reason
        context.refuse(listener.section, "ResolvedRefs", replace(fault, reason=reason), owner, at)
    if not name:
        text = "clients are asked for certificates, and no authority could be read to check them"
        note(listener.section, "Accepted", False, "NoValidCACertificate", text)
        listener.invalidate()
        return None
    insecure = found.mode == "AllowInsecureFallback"
    return ClientValidation(
        origin=origin(owner, path),
        authorities=name,
        required=not insecure,
        accept_untrusted=insecure,
    )


def apply_client_tls(context: Context, tls: ServerTls, found: ClientTLSSettings, policy: Manifest) -> ServerTls | Fault:
    """A listener's TLS with what a ClientTrafficPolicy asks for."""
    validation = tls.client_validation
    if found.client_validation is not None:
        read = _read_policy_validation(context, found.client_validation, policy)
        if isinstance(read, Fault):
            return read
        validation = read
    resumption = found.session.resumption if found.session else None
    return ServerTls(
        origin=tls.origin,
        certificates=tls.certificates,
        parameters=read_parameters(found),
        alpn=tuple(found.alpn_protocols) if found.alpn_protocols is not None else None,
        client_validation=validation,
        stateless_resumption=resumption is not None and resumption.stateless is not None,
        stateful_resumption=resumption is not None and resumption.stateful is not None,
    )


def _read_policy_validation(
    context: Context, found: ClientValidationContext, policy: Manifest
) -> ClientValidation | Fault:
    path = ("spec", "tls", "clientValidation")
    ref = policy.ref
    if found.subject_alt_names is not None and found.subject_alt_names.other_names:
        text = "certificates cannot be checked for otherNames here"
        return Fault(UNSUPPORTED, "Invalid", text, "use dnsNames, emailAddresses, ipAddresses or uris")
    name, faults = read_authorities(
        context,
        found.ca_certificate_refs,
        ref,
        f"ClientTrafficPolicy/{ref.namespace}/{ref.name}",
        found.crl.refs if found.crl else (),
    )
    if faults:
        return faults[0][1]
    mode = found.mode or ("VerifyIfGiven" if found.optional else "RequireAndVerify")
    return ClientValidation(
        origin=origin(policy, path),
        authorities=name,
        required=mode in ("RequireAny", "RequireAndVerify"),
        accept_untrusted=mode in ("Request", "RequireAny"),
        spki_hashes=tuple(found.spki_hashes),
        certificate_hashes=tuple(found.certificate_hashes),
        names=read_names(found.subject_alt_names),
    )
