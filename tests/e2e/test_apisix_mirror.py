"""proxy-mirror on the real Envoy: where copies go, and with which path."""

from time import monotonic

import httpx2
import pytest
from ai_gateway import Provider
from apisix_objects import route
from running import run_manifests
from upstreams import http_server

PORT = 9080


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        ("", "/asked/a?x=1"),
        (", path: /copy", "/copy?x=1"),
        (", path: /copy, path_concat_mode: prefix", "/copy/asked/a?x=1"),
    ],
)
def test_copies_have_the_path_that_is_set(settings: str, path: str) -> None:
    with http_server("answer") as port, Provider("copied") as copied:
        mirror = f"{{name: proxy-mirror, config: {{host: 'http://127.0.0.1:{copied.port}'{settings}}}}}"
        upstream = (
            "apiVersion: apisix.apache.org/v2\nkind: ApisixUpstream\nmetadata: {name: web}\n"
            f"spec: {{externalNodes: [{{type: Domain, name: 127.0.0.1, port: {port}}}]}}\n"
        )
        asked = route("asked", mirror, target="upstreams: [{name: web}]")
        with run_manifests(upstream, asked, ports=(PORT,), stubs="none") as running:
            sent = {"host": "a.example"}
            answer = httpx2.request("GET", running.url(PORT) + "/asked/a?x=1", content=b"body", headers=sent)
            assert answer.text == "answer"
            deadline = monotonic() + 10
            while not copied.seen:
                assert monotonic() < deadline
            seen = copied.seen[0]
            assert (seen.path, seen.headers["host"], seen.body) == (path, "a.example", b"body")
