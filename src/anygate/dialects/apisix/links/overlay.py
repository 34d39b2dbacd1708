"""The two files that name others or configure the proxy: the kustomization and the Helm overlay."""

from collections.abc import Collection, Iterable

from anygate.dialects.apisix.links.stack import Port
from anygate.dialects.apisix.links.yaml_text import render_yaml


def render_kustomization(files: Collection[str]) -> str:
    """The kustomization that lists the other files of the folder."""
    return render_yaml(
        {
            "apiVersion": "kustomize.config.k8s.io/v1beta1",
            "kind": "Kustomization",
            # Kustomize needs no name; whatever reads the whole folder as objects does.
            "metadata": {"name": "route"},
            "resources": sorted(files),
        }
    )


def render_helm(external_traffic: str, streams: Iterable[Port]) -> str:
    """The values of the Helm chart that depend on links: the ports of the load balancer for streams."""
    found = {(port.protocol, port.number) for port in streams}
    ports = {protocol: sorted(number for one, number in found if one == protocol) for protocol in ("TCP", "UDP")}
    stream = {"enabled": bool(found), "tcp": ports["TCP"], "udp": ports["UDP"]}
    return render_yaml({"service": {"externalTrafficPolicy": external_traffic, "stream": stream}})
