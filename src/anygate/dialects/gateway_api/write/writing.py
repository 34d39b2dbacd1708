"""What the parts of a conversion share: the model, the objects so far, the losses, and references to Secrets."""

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from anygate.dialects.gateway_api.write.findings import SECURITY
from anygate.dialects.gateway_api.write.losses import Losses
from anygate.dialects.gateway_api.write.objects import AI_GATEWAY, ENVOY_GATEWAY, GATEWAY_API, Objects, clean
from anygate.model.backend import Backend
from anygate.model.origin import Origin
from anygate.model.root import Model
from anygate.model.tls import Authorities, AuthoritiesFile, Certificate, CertificateFiles, Secret

DEFAULT_NAMESPACE = "default"
_CUT, _KEPT = 62, 54
_GROUPS = {
    "Backend": ENVOY_GATEWAY.partition("/")[0],
    "ClientTrafficPolicy": ENVOY_GATEWAY.partition("/")[0],
    "SecurityPolicy": ENVOY_GATEWAY.partition("/")[0],
    "HTTPRouteFilter": ENVOY_GATEWAY.partition("/")[0],
    "Service": "",
    "Secret": "",
    "ConfigMap": "",
    "AIGatewayRoute": AI_GATEWAY.partition("/")[0],
    "AIServiceBackend": AI_GATEWAY.partition("/")[0],
    "BackendSecurityPolicy": AI_GATEWAY.partition("/")[0],
}


@dataclass(frozen=True)
class Options:
    """`exact` keeps prefixes that end in the middle of an element; `gateway_class` is who serves the Gateways."""

    gateway_class: str = "envoy"
    exact: bool = False


@dataclass
class Writing:
    """The state of one conversion."""

    model: Model
    options: Options = Options()
    losses: Losses = field(default_factory=Losses)
    objects: Objects = field(default_factory=Objects)

    def __post_init__(self) -> None:
        self.backends: dict[str, Backend] = {one.name: one for one in self.model.backends}
        self.secrets: dict[str, Secret] = {one.name: one for one in self.model.secrets}

    def members(self, backend: Backend) -> dict[str, Fraction]:
        """What a backend was joined of, each with its share; empty where it has to be written as the one that it is."""
        if not backend.members or not all(one in self.backends for one in backend.members):
            return {}
        weights: dict[int, int] = {}
        for group in backend.groups:
            number = int(group.zone.partition("/")[0])
            weights[number] = weights.get(number, 0) + group.weight
        whole = sum(weights.values())
        if not whole:
            return {}
        return {name: Fraction(weights.get(number, 0), whole) for number, name in enumerate(backend.members)}

    def allow(self, kind: str, namespace: str, target: str, target_namespace: str, name: str) -> None:
        """Let objects of a kind in one namespace refer to an object in another."""
        if namespace == target_namespace:
            return
        source = {"group": _GROUPS.get(kind, GATEWAY_API.partition("/")[0]), "kind": kind, "namespace": namespace}
        wanted = {"group": _GROUPS[target], "kind": target, "name": name}
        grant = self.objects.find("ReferenceGrant", target_namespace, f"from-{namespace}-{kind.lower()}")
        if grant is None:
            body = {"spec": {"from": [source], "to": [wanted]}}
            self.objects.add("ReferenceGrant", target_namespace, f"from-{namespace}-{kind.lower()}", body)
        elif wanted not in grant.body["spec"]["to"]:
            grant.body["spec"]["to"].append(wanted)

    def secret(self, name: str, kind: str, namespace: str, key: str = "") -> dict[str, Any]:
        """A reference to the Secret behind a secret of the model, made by an object of `kind` in `namespace`.

        A Secret of the source is referred to where it is. What was a file has to be made by people, and so has what
        the source had elsewhere.
        """
        found = self.secrets.get(name)
        origin = found.origin if found is not None else None
        if origin is not None and origin.kind == "Secret":
            kept = "stays as it is"
            if isinstance(found, Certificate):
                kept = "has to be there, with the keys tls.crt and tls.key (rename cert and key to these)"
            self.objects.leave(origin.object, kept, origin)
            self.allow(kind, namespace, "Secret", origin.namespace, origin.name)
            return self._refer("Secret", origin.name, origin.namespace, namespace)
        made = self._make_name(f"{name}-{key}" if key else name)
        self.objects.leave(f"Secret/{namespace}/{made}", self._how(found, made, namespace, key), origin)
        return {"kind": "Secret", "name": made}

    def authorities(self, name: str, kind: str, namespace: str) -> dict[str, Any]:
        """A reference to a ConfigMap with the certificates of authorities, which are nobody's secret."""
        found = self.secrets.get(name)
        made = self._make_name(name)
        if isinstance(found, Authorities):
            if found.crl is not None:
                text = "the revocation lists have to be added by hand, in crl of the policy that names the authorities"
                self.losses.add(SECURITY, found.origin, text)
            body = {"data": {"ca.crt": _certificates(found)}}
            document = self.objects.share("ConfigMap", namespace, made, body, [found.origin])
            return {"group": "", "kind": "ConfigMap", "name": document.name}
        origin = found.origin if found is not None else None
        path = found.path if isinstance(found, AuthoritiesFile) else "FILE"
        how = f"kubectl -n {namespace} create configmap {made} --from-file=ca.crt={path}"
        self.objects.leave(f"ConfigMap/{namespace}/{made}", how, origin)
        return {"group": "", "kind": "ConfigMap", "name": made}

    def _refer(self, kind: str, name: str, namespace: str, own: str) -> dict[str, Any]:
        made: dict[str, Any] = {"kind": kind, "name": name}
        return {**made, "namespace": namespace} if namespace != own else made

    def _make_name(self, name: str) -> str:
        text = name.removeprefix("files:").partition(",")[0].removeprefix("authorities/").replace(":", "-")
        found = clean(text)
        if len(found) < _CUT:
            return found
        # Two that are cut short must not become one.
        return f"{found[:_KEPT].rstrip('-')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def _how(self, found: Secret | None, name: str, namespace: str, key: str) -> str:
        if isinstance(found, CertificateFiles):
            return f"kubectl -n {namespace} create secret tls {name} --cert={found.chain_path} --key={found.key_path}"
        if isinstance(found, Certificate):
            return f"kubectl -n {namespace} create secret tls {name} --cert=CERTIFICATE --key=KEY"
        # What is injected is all of the header.
        value = "'Bearer KEY'" if key == "credential" else "VALUE"
        return f"kubectl -n {namespace} create secret generic {name} --from-literal={key or 'KEY'}={value}"


def namespace_of(origin: Origin) -> str:
    """The namespace of the object that a node comes from."""
    return origin.namespace or DEFAULT_NAMESPACE


def _certificates(found: Authorities) -> str:
    """Only the certificates of a bundle: whatever else somebody put beside them stays where it is."""
    lines: list[str] = []
    inside = False
    for line in found.bundle.reveal().decode("ascii", "ignore").splitlines():
        inside = inside or line.startswith("-----BEGIN CERTIFICATE-----")
        if inside:
            lines.append(line)
        inside = inside and not line.startswith("-----END CERTIFICATE-----")
    return "\n".join(lines) + "\n"
