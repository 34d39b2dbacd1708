"""Certificates, keys and authorities out of Secrets."""

from collections import Counter
from collections.abc import Sequence

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import NO_CERTIFICATE, SECRET, STAND_IN
from anygate.dialects.apisix.kinds.values import SecretReference
from anygate.dialects.pem import check_authorities, check_pair
from anygate.manifests.core import Secret
from anygate.manifests.kind import Kind
from anygate.model.tls import Authorities, Certificate


def find_secret(context: Context, namespace: str, name: str, path: FieldPath) -> Secret | Fault:
    """A Secret of any namespace."""
    found = context.index.secret(namespace, name)
    return found if found is not None else Fault(SECRET, f"there is no Secret/{namespace}/{name}", path)


def read_key_pair(context: Context, reference: SecretReference, path: FieldPath) -> str | Fault:
    """The name of the model's certificate that a Secret holds, under `tls.crt` and `tls.key` or `cert` and `key`."""
    item = find_secret(context, reference.namespace, reference.name, path)
    if isinstance(item, Fault):
        return item
    name = f"apisix/certificate/{reference.namespace}/{reference.name}"
    if name in context.secrets:
        return name
    values = item.values
    chain, key = values.get("tls.crt", values.get("cert")), values.get("tls.key", values.get("key"))
    if chain is None or key is None:
        return Fault(SECRET, f"{item.ref} needs the keys tls.crt and tls.key, or cert and key", path)
    problem = check_pair(chain, key)
    if problem:
        return Fault(SECRET, f"{item.ref} {problem}", path)
    context.secrets[name] = Certificate(origin=origin(item), name=name, chain=chain, key=key)
    return name


class Certificates:
    """Certificates of hosts, some of whose Secrets are not there: of each of these it is said once that it is not."""

    def __init__(self, context: Context, wanted: Sequence[SecretReference]) -> None:
        self._context = context
        missing = (one for one in wanted if context.index.secret(one.namespace, one.name) is None)
        self._missing = Counter((one.namespace, one.name) for one in missing)
        self._told: set[tuple[str, str]] = set()

    def find(self, item: Kind, reference: SecretReference, path: FieldPath) -> str | Fault | None:
        """The name of the certificate that an object refers to; None if the object is refused for want of it."""
        key = (reference.namespace, reference.name)
        if key not in self._missing:
            return read_key_pair(self._context, reference, path)
        stand_in = self._context.settings.stand_in
        text = f"there is no Secret/{reference.namespace}/{reference.name}"
        if self._missing[key] > 1:
            text += f", which {self._missing[key]} objects name"
        if key not in self._told:
            self._told.add(key)
            rule = NO_CERTIFICATE if stand_in is None else STAND_IN
            more = (
                "the hosts that it is for get no TLS"
                if stand_in is None
                else "a self-signed certificate stands in for it"
            )
            self._context.note(rule, f"{text}; {more}", item, path)
        if stand_in is None:
            self._context.conditions.refuse(item.ref, text)
            return None
        return read_key_pair(self._context, stand_in, path)


def read_authorities(context: Context, reference: SecretReference, path: FieldPath) -> str | Fault:
    """The name of the model's authorities that a Secret holds, under `ca.crt`, `cert` or `tls.crt`."""
    item = find_secret(context, reference.namespace, reference.name, path)
    if isinstance(item, Fault):
        return item
    name = f"apisix/authorities/{reference.namespace}/{reference.name}"
    if name in context.secrets:
        return name
    bundle = next((item.values[key] for key in ("ca.crt", "cert", "tls.crt") if key in item.values), None)
    if bundle is None:
        return Fault(SECRET, f"{item.ref} needs the key ca.crt", path)
    problem = check_authorities(bundle.reveal())
    if problem:
        return Fault(SECRET, f"{item.ref} {problem}", path)
    context.secrets[name] = Authorities(origin=origin(item), name=name, bundle=bundle)
    return name
