"""The way out for what the adapter has translated, on a Unix socket of a real Envoy."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from ai_gateway import Provider, ai_rule, backend, one_server, plain_rule, route, serving, target

from anygate.envoy.build import build
from anygate.envoy.names import EGRESS, SERVICES
from anygate.envoy.placement import Placement, Socket
from anygate.envoy.snapshot import CLUSTER, LISTENER
from anygate.model.backend import Endpoint, EndpointGroup
from anygate.model.root import Model


class OverUnix(http.client.HTTPConnection):
    """A client of a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("adapter", timeout=20)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


@pytest.fixture(scope="module")
def egress() -> Iterator[tuple[Path, Provider]]:
    with ExitStack() as stack:
        provider = stack.enter_context(Provider("far"))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="e2e-")))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        path = folder / "egress"
        places = {"web/80": Socket("127.0.0.1", port)}
        rule = ai_rule("m", target("far", translated=True))
        named = EndpointGroup(endpoints=(Endpoint(host="127.0.0.1", port=provider.port, hostname="api.far.example"),))
        far = backend("far", provider.port)
        far = type(far)(origin=far.origin, name="far", service="far", groups=(named,))
        model = Model(gateways=(one_server(route("ai", rule)),), backends=(far,))
        stack.enter_context(serving(model, Placement("127.0.0.1", places, egress=str(path))))
        yield path, provider


def test_a_request_goes_to_the_cluster_it_names_as_it_is(egress: tuple[Path, Provider]) -> None:
    path, provider = egress
    body = b'{"a": 1}' + b" " * 5_000_000
    with closing(OverUnix(path)) as client:
        client.request(
            "POST", "/v1//odd/%2F/../path?q=%20", body, {"x-anygate-egress": "far", "x-forwarded-for": "9.9.9.9"}
        )
        answer = client.getresponse()

        assert (answer.status, answer.read()) == (200, b'{"served_by": "far"}')
    seen = provider.seen[-1]
    assert (seen.path, seen.body) == ("/v1//odd/%2F/../path?q=%20", body)
    assert seen.headers["host"] == "api.far.example"
    assert seen.headers["x-forwarded-for"] == "9.9.9.9"
    assert not [name for name in seen.headers if name.startswith("x-envoy")]


def test_a_cluster_that_is_not_there_is_an_error(egress: tuple[Path, Provider]) -> None:
    with closing(OverUnix(egress[0])) as client:
        client.request("POST", "/", b"", {"x-anygate-egress": "nowhere"})
        assert client.getresponse().status == 500


def test_only_the_owner_reaches_it(egress: tuple[Path, Provider]) -> None:
    assert egress[0].stat().st_mode & 0o777 == 0o600


def test_it_is_there_only_where_something_is_translated() -> None:
    native = Model(gateways=(one_server(route("ai", ai_rule("m", "far"), plain_rule("/", "far"))),))
    assert not [key for key in _keys(native, Placement(egress="/run/egress")) if key[1] == EGRESS]
    assert not [key for key in _keys(native, Placement()) if key[1] == SERVICES]
    assert (CLUSTER, SERVICES) in _keys(native, Placement(services="/run/services"))
    translated = Model(gateways=(one_server(route("ai", ai_rule("m", target("far", translated=True)))),))
    assert (LISTENER, EGRESS) in _keys(translated, Placement(egress="/run/egress"))
    assert (LISTENER, EGRESS) not in _keys(translated, Placement())


def _keys(model: Model, placement: Placement) -> set[tuple[str, str]]:
    return {(one.type_url, one.name) for one in build(model, placement).snapshot}
