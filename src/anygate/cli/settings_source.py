"""Options of the command line that are settings of a dialect: they join the manifests as one more of them."""

from collections.abc import Sequence

import yaml

from anygate.cli.certificate import make_certificate
from anygate.diagnostics import SourceFile
from anygate.dialects.app_mesh.kinds.settings import LAST_WORD


def make_stand_in() -> SourceFile:
    """A self-signed certificate for the hosts of APISIX whose own is not at hand, and the setting that uses it."""
    made = make_certificate("localhost")
    reference = {"name": LAST_WORD, "namespace": "anygate"}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": reference,
        "type": "kubernetes.io/tls",
        "stringData": {"tls.crt": made.certificate, "tls.key": made.key},
    }
    settings = {
        "apiVersion": "anygate.dev/v1alpha1",
        "kind": "ApisixSettings",
        "metadata": {"name": LAST_WORD},
        "spec": {"standInCertificate": reference},
    }
    return SourceFile("<command line>", yaml.safe_dump_all([secret, settings]))


def make_settings(*, strict: bool = False, nodes: Sequence[str] = ()) -> tuple[SourceFile, ...]:
    """The settings object that options stand for; none without options.

    `strict` refuses what App Mesh's controller refuses. `nodes` are VirtualNodes whose sidecars run, as NAME or
    NAMESPACE/NAME.
    """
    spec: dict[str, object] = {"mode": "strict"} if strict else {}
    if nodes:
        spec["nodes"] = [_read_node(node) for node in nodes]
    if not spec:
        return ()
    made = {
        "apiVersion": "anygate.dev/v1alpha1",
        "kind": "AppMeshSettings",
        "metadata": {"name": LAST_WORD},
        "spec": spec,
    }
    return (SourceFile("<command line>", yaml.safe_dump(made)),)


def _read_node(text: str) -> dict[str, str]:
    namespace, slash, name = text.rpartition("/")
    return {"namespace": namespace, "name": name} if slash else {"name": name}
