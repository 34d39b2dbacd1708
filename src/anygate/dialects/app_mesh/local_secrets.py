"""Certificates and authorities: in files, in Secrets among the manifests, at a local SDS server, and what the settings
say stands for those of AWS Certificate Manager. What is nowhere to be had is a fault, never a certificate left out."""

from collections.abc import Callable

from anygate.diagnostics import FieldPath
from anygate.dialects.app_mesh.context import Context, Fault, origin
from anygate.dialects.app_mesh.findings import SECRET
from anygate.dialects.app_mesh.kinds import tls as kinds
from anygate.dialects.app_mesh.kinds.settings import LocalCertificate
from anygate.dialects.pem import check_authorities, check_pair
from anygate.manifests.core import Secret
from anygate.manifests.kind import Kind
from anygate.manifests.sensitive import Sensitive
from anygate.model.origin import Origin
from anygate.model.tls import Authorities, AuthoritiesFile, Certificate, CertificateFiles, SocketSecret

_Keep = Callable[[Context, Secret, FieldPath], str | Fault]
"""Puts what a Secret holds into the model and returns its name there."""


def find_certificate(
    context: Context, item: Kind, found: kinds.ListenerCertificate | kinds.ClientCertificate, path: FieldPath
) -> str | Fault:
    """The name of the model's secret with a certificate and its key."""
    if found.file is not None:
        return _keep_files(context, found.file.certificate_chain, found.file.private_key, origin(item, (*path, "file")))
    if found.sds is not None:
        return _from_sds(context, item, found.sds, (*path, "sds"), _keep_certificate)
    acm = getattr(found, "acm", None)
    assert acm is not None
    path = (*path, "acm")
    local = context.settings.acm.get(acm.arn)
    if local is None:
        return _unmapped(f"{acm.arn} is a certificate of AWS", path)
    if local.certificate_chain is not None:
        if local.private_key is None:
            text = f"the settings have no privateKey for {acm.arn}"
            return Fault(SECRET, text, "only authorities need none", path)
        return _keep_files(context, local.certificate_chain, local.private_key, origin(item, path))
    secret = _mapped_secret(context, local, acm.arn, path)
    return secret if isinstance(secret, Fault) else _keep_certificate(context, secret, path)


def find_authorities(context: Context, item: Kind, found: kinds.Trust, path: FieldPath) -> str | Fault:
    """The name of the model's secret with the certificates of authorities."""
    if found.file is not None:
        return _keep_bundle(context, found.file.certificate_chain, origin(item, (*path, "file")))
    if found.sds is not None:
        return _from_sds(context, item, found.sds, (*path, "sds"), _keep_authorities)
    assert found.acm is not None
    return _join_authorities(context, item, found.acm.arns, (*path, "acm"))


def find_issuer(context: Context, item: Kind, found: kinds.AcmCertificate, path: FieldPath) -> str | Fault:
    """The name of the model's secret with what a server's certificate of AWS is verified by."""
    return _join_authorities(context, item, (found.arn,), path)


def _join_authorities(context: Context, item: Kind, arns: tuple[str, ...], path: FieldPath) -> str | Fault:
    """Any of several authorities: the Secrets' certificates together, or the one file that stands for all."""
    files, secrets = set(), []
    for arn in arns:
        local = context.settings.acm.get(arn)
        if local is None:
            return _unmapped(f"{arn} is an authority of AWS", path)
        if local.certificate_chain is not None:
            files.add(local.certificate_chain)
            continue
        secret = _mapped_secret(context, local, arn, path)
        if isinstance(secret, Fault):
            return secret
        secrets.append(secret)
    if len(files) + bool(secrets) > 1:
        text = "its authorities lie in several files"
        return Fault(SECRET, text, "put them into one file, and give that one for each of them", path)
    if files:
        return _keep_bundle(context, files.pop(), origin(item, path))
    return _keep_authorities(context, secrets[0], path, *secrets[1:])


def _unmapped(text: str, path: FieldPath) -> Fault:
    hint = "name the files or the Secret that stand for it in spec.acm of an AppMeshSettings"
    return Fault(SECRET, text, hint, path)


def _mapped_secret(context: Context, local: LocalCertificate, arn: str, path: FieldPath) -> Secret | Fault:
    namespace, name = local.secret_namespace, local.secret_name or ""
    found = context.index.secret(namespace, name)
    if found is not None:
        return found
    return Fault(SECRET, f"there is no Secret {namespace}/{name}, which stands for {arn}", path=path)


def _from_sds(context: Context, item: Kind, found: kinds.SdsSecret, path: FieldPath, keep: _Keep) -> str | Fault:
    """What App Mesh got from a local SDS server: the Secret of that name, else from such a server."""
    secret = context.index.secret(item.namespace, found.secret_name)
    if secret is not None:
        return keep(context, secret, path)
    socket = context.settings.sds_socket
    if not socket:
        text = f"there is no Secret {item.namespace}/{found.secret_name}, and no SDS server to ask for it"
        return Fault(
            SECRET, text, "add the Secret, or name the server's socket as sdsSocket of an AppMeshSettings", path
        )
    name = f"sds:{socket}#{found.secret_name}"
    if name not in context.secrets:
        context.secrets[name] = SocketSecret(
            origin=origin(item, path), name=name, secret=found.secret_name, socket=socket
        )
    return name


def _keep_files(context: Context, chain: str, key: str, here: Origin) -> str:
    name = f"files:{chain},{key}"
    if name not in context.secrets:
        context.secrets[name] = CertificateFiles(origin=here, name=name, chain_path=chain, key_path=key)
    return name


def _keep_bundle(context: Context, place: str, here: Origin) -> str:
    name = f"authorities:{place}"
    if name not in context.secrets:
        context.secrets[name] = AuthoritiesFile(origin=here, name=name, path=place)
    return name


def _keep_certificate(context: Context, secret: Secret, path: FieldPath) -> str | Fault:
    chain, key = secret.values.get("tls.crt"), secret.values.get("tls.key")
    problem = "needs the keys tls.crt and tls.key" if chain is None or key is None else check_pair(chain, key)
    if problem:
        return Fault(SECRET, f"Secret {secret.namespace}/{secret.name} {problem}", path=path)
    assert chain is not None
    assert key is not None
    name = f"certificate:{secret.namespace}/{secret.name}"
    context.secrets[name] = Certificate(origin=origin(secret), name=name, chain=chain, key=key)
    return name


def _keep_authorities(context: Context, secret: Secret, path: FieldPath, *more: Secret) -> str | Fault:
    bundle = b""
    for one in (secret, *more):
        held = one.values.get("ca.crt")
        problem = "needs the key ca.crt" if held is None else check_authorities(held.reveal())
        if problem:
            return Fault(SECRET, f"Secret {one.namespace}/{one.name} {problem}", path=path)
        assert held is not None
        bundle += held.reveal().rstrip() + b"\n"
    name = "authorities:" + ",".join(f"{one.namespace}/{one.name}" for one in (secret, *more))
    context.secrets[name] = Authorities(origin=origin(secret), name=name, bundle=Sensitive(bundle))
    return name
