"""What the settings switch, and where nodes of Cloud Map are, with the real Envoy."""

import httpx2
import pytest
from running import run_manifests, served_by
from test_app_mesh import GATEWAY, MESH, node, route
from test_app_mesh_secrets import SETTINGS
from upstreams import http_server

from anygate.runner.destinations import parse_resolution

PLAIN = GATEWAY % ("[{portMapping: {port: 80, protocol: http}}]", "")
CLOUD_NODE = """
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualNode
metadata: {name: red}
spec:
  podSelector: {matchLabels: {app: red}}
  listeners: [{portMapping: {port: %d, protocol: http}}]
  serviceDiscovery: {awsCloudMap: {namespaceName: shop.local, serviceName: red}}
---
apiVersion: appmesh.k8s.aws/v1beta2
kind: VirtualService
metadata: {name: red}
spec: {provider: {virtualNode: {virtualNodeRef: {name: red}}}}
"""
PODS = """
apiVersion: v1
kind: Service
metadata: {name: some}
spec: {selector: {app: red}, ports: [{port: 80, targetPort: 9999}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: some-1, labels: {kubernetes.io/service-name: some}}
addressType: IPv4
endpoints: [{addresses: [127.0.0.1]}]
ports: [{port: 9999}]
"""


@pytest.mark.parametrize(("spec", "status"), [("{}", 404), ("{hostFallback: true}", 200)])
def test_hosts_with_routes_fall_back_if_the_settings_say_so(spec: str, status: int) -> None:
    texts = (
        *(SETTINGS % spec, MESH, PLAIN, node("red"), node("blue")),
        route("own", "{prefix: /own, hostname: {exact: a.test}}", "red"),
        route("all", "{prefix: /}", "blue"),
    )
    with run_manifests(*texts) as running:
        assert served_by(httpx2.get(running.url() + "/own", headers={"host": "a.test"})) == "red"
        assert httpx2.get(running.url() + "/other", headers={"host": "a.test"}).status_code == status
        assert ("mesh-hidden-by-host" in running.rules()) == (status == 404)


@pytest.mark.parametrize(("spec", "tries"), [("{}", 3), ("{defaultRetry: false}", 1)])
def test_the_default_retry_can_be_switched_off(spec: str, tries: int) -> None:
    texts = (SETTINGS % spec, MESH, PLAIN, node("red"), route("all", "{prefix: /}", "red"))
    with run_manifests(*texts) as running:
        assert httpx2.get(running.url(), headers={"x-stub-status": "503"}).status_code == 503
        # The one that ends it comes after all of the first.
        httpx2.get(running.url() + "/last")
        asked = [running.requests.get(timeout=20).path]
        while asked[-1] != "/last":
            asked.append(running.requests.get(timeout=20).path)
        assert len(asked) - 1 == tries


def test_a_node_of_cloud_map_is_where_its_pods_are() -> None:
    with http_server("pod") as port:
        texts = (MESH, PLAIN, CLOUD_NODE % port, PODS, route("all", "{prefix: /}", "red"))
        with run_manifests(*texts, stubs="none") as running:
            assert httpx2.get(running.url()).status_code == 200


def test_a_node_of_cloud_map_is_where_the_user_says() -> None:
    with http_server("local") as port:
        resolutions = [parse_resolution(f"red.shop.local=127.0.0.1:{port}")]
        texts = (MESH, PLAIN, CLOUD_NODE % 8080, route("all", "{prefix: /}", "red"))
        with run_manifests(*texts, stubs="none", resolutions=resolutions) as running:
            assert httpx2.get(running.url()).status_code == 200
