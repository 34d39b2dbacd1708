"""The stack of the examples and what it is converted to: the same answers but where the conversion said otherwise."""

import asyncio
import json
import shutil
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from certificates import client_context, tls_secret
from running import DEADLINE, Running, join, run_manifests, served_by
from websockets.asyncio.client import connect

from anygate.cli.app import main
from anygate.dialects.gateway_api.write.not_carried import HARMLESS, MOVED, NOT_CARRIED, UNSAFE

EXAMPLE = Path(__file__).parents[2] / "examples" / "apisix"
HTTP, HTTPS, STREAM = 9080, 9443, 50_000
DOMAIN = "stack-5.domain.io"
BY_HAND = """
apiVersion: v1
kind: Secret
metadata: {name: apisix-consumers-keys, namespace: ingress-apisix}
stringData: {ingress-apisix_shop-consumer: key-of-the-shop, ingress-apisix_llm-consumer: key-of-models}
"""
FOR_LOGINS, FOR_OPENAI = "client-secret", "credential"
SHOP, MODELS = {"apikey": "key-of-the-shop"}, {"apikey": "key-of-models"}
CERTIFICATE = tls_secret("wildcard-tls-secret", f"*.{DOMAIN}").replace("{name", "{namespace: cert-manager, name")

NAMED = {
    "answer": "OPTIONS requests that are no preflights go on to the backend",
    "destination": "OPTIONS requests that are no preflights go on to the backend",
    "rate limit": "OPTIONS requests that are no preflights go on to the backend",
    "rate limit rules": "how the time of a limit is counted is the implementation's",
    "cors": "answers to requests that name no origin have no headers for browsers",
    "cors headers": "answers to requests that name no origin have no headers for browsers",
    "early request headers set": "put together for each request, which has no place, and so taken off",
    "early request headers remove": "put together for each request, which has no place, and so taken off",
    "connect failure status": "the status for a backend that cannot be reached has no place",
    "connect timeout status": "the status for a backend that is not reached in time has no place",
    "prompts": "what is asked of prompts, and put in them, has no place",
    "security access token header": "a header of its own for the access token has no place",
    "security oidc id claims header": "a header for the claims has no place",
    "upgrades": "which upgrades are allowed has no place beside a limit of bodies",
    "wordings": "refusals have the words of the implementation",
}
"""What `diff` may tell apart, and what the conversion has said of it at the same line; more is in its tables."""

LIMIT_LEFT_OUT = "the limit is left out: a cost of answers that is worked out cannot be said"


ELSEWHERE = "a connection that was made for one host no longer takes requests for another: they are answered with 421"


def is_elsewhere(entry: dict[str, Any]) -> bool:
    """Whether it is about requests for another host than their connection."""
    answers = [one["new"] for one in entry["aspects"] if one["name"] == "answer"]
    return entry["kind"] == "route" and answers in (["421"], ["404"])


def sentence_for(aspect: str) -> str | None:
    """What the conversion says of a field of the model that it does not carry; nothing of what is harmless."""
    name = aspect.replace(" ", "_")
    said = {**dict.fromkeys(HARMLESS, ""), **NOT_CARRIED, **UNSAFE, **MOVED}
    return next((text for field, text in said.items() if name.endswith(f"_{field.partition('.')[2]}")), None)


class Conversion:
    """The example in one folder, what is made of it in another, and what was said."""

    def __init__(self, folder: Path) -> None:
        self.source, self.converted, self.report = folder / "source", folder / "converted", folder / "report.md"
        shutil.copytree(EXAMPLE, self.source)
        (self.source / "certificate.yaml").write_text(join(CERTIFICATE))
        words = ["convert", str(self.source), "--to", "gateway-api", "-o", str(self.converted)]
        assert main(words) == 1
        assert not self.converted.exists()
        assert main([*words, "--exact", "--allow-lossy", "--report", str(self.report)]) == 0
        secrets = [self._secret(FOR_LOGINS, "placeholder"), self._secret(FOR_OPENAI, "Bearer placeholder")]
        (self.converted / "by-hand.yaml").write_text(join(BY_HAND, CERTIFICATE, *secrets))

    def _secret(self, key: str, value: str) -> str:
        """A Secret that the report leaves to people."""
        marker = {FOR_LOGINS: "Secret/ingress-apisix/apisix-oidc-", FOR_OPENAI: "Secret/ingress-apisix/apisix-text-"}[
            key
        ]
        line = next(one for one in self.report.read_text().splitlines() if one.startswith(f"- {marker}"))
        name = line.partition(":")[0].rpartition("/")[2]
        return (
            f"apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: ingress-apisix}}\n"
            f"stringData: {{{key}: {value}}}\n"
        )


@pytest.fixture(scope="module")
def conversion(tmp_path_factory: pytest.TempPathFactory) -> Conversion:
    return Conversion(tmp_path_factory.mktemp("stack"))


@pytest.fixture(scope="module")
def pair(conversion: Conversion) -> Iterator[tuple[Running, Running]]:
    ports = (HTTP, HTTPS, STREAM)
    with (
        run_manifests(path=conversion.source, ports=ports) as before,
        run_manifests(path=conversion.converted, ports=ports) as after,
    ):
        yield before, after


def ask(
    running: Running,
    host: str,
    path: str,
    body: bytes | None,
    headers: dict[str, str],
    request: Callable[..., httpx2.Response] = httpx2.request,
) -> tuple[object, ...]:
    sent = {"host": f"{host}.{DOMAIN}", **headers}
    method = "GET" if body is None else "POST"
    answer = request(method, running.url(HTTP) + path, headers=sent, content=body, timeout=DEADLINE)
    told = "access-control-allow-origin" in answer.headers
    location = answer.headers.get("location", "").partition("&state=")[0]
    if answer.status_code != 200 or "service" not in answer.text:
        return answer.status_code, told, location
    seen = answer.json()
    kept = {name: seen["headers"].get(name) for name in ("apikey", "authorization", "x-forwarded-proto")}
    # What is outside of the cluster goes by another name afterwards.
    service = served_by(answer) if host != "openai" else ""
    return answer.status_code, told, service, seen["path"], seen["host"], kept


@pytest.mark.parametrize(
    ("host", "path", "headers"),
    [
        ("sso", "/realms/lab", {}),
        ("minio", "/", {}),
        ("api-minio", "/", {}),
        ("myapp", "/x", {}),
        ("grpc-myapp", "/x", {}),
        ("nobody", "/", {}),
        ("shop", "/orders", {}),
        ("shop", "/orders", {"apikey": "wrong"}),
        ("shop", "/orders", MODELS),
        ("llm", "/v1/models", {}),
        ("llm", "/v1/models", SHOP),
        ("llm", "/v1", MODELS),
        ("llm", "/v2/models", MODELS),
        ("openai", "/v1/models", SHOP),
        ("openai", "/v1/models", MODELS),
        ("openai", "/v1/models", {**MODELS, "authorization": "Bearer my own"}),
    ],
)
def test_both_answer_alike(pair: tuple[Running, Running], host: str, path: str, headers: dict[str, str]) -> None:
    before, after = (ask(one, host, path, None, headers) for one in pair)
    assert after == before


def test_both_count_and_bound_alike(pair: tuple[Running, Running]) -> None:
    origin = {"origin": "https://a.test"}
    told = [
        [
            ask(one, "api", "/items", b"a" * 2000, {})[0],
            *(ask(one, "api", "/items", None, origin)[:2] for _ in range(4)),
        ]
        for one in pair
    ]
    assert told[0] == told[1] == [413, (200, True), (200, True), (200, True), (429, True)]


def test_both_share_alike(pair: tuple[Running, Running]) -> None:
    for one in pair:
        with httpx2.Client() as client:
            shared = Counter(str(ask(one, "shop", "/orders", None, SHOP, client.request)[2]) for _ in range(200))
        assert abs(shared["orders-v1.apps"] - 180) < 20, shared


def test_both_show_the_certificate(pair: tuple[Running, Running]) -> None:
    for one in pair:
        with (
            socket.create_connection(one.address(HTTPS), timeout=DEADLINE) as plain,
            client_context().wrap_socket(plain, server_hostname=f"myapp.{DOMAIN}") as secure,
        ):
            secure.sendall(f"GET / HTTP/1.1\r\nhost: myapp.{DOMAIN}\r\nconnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: secure.recv(65536), b""))
        assert b'"service":"myapp"' in answer


def test_both_pass_on_streams_and_websockets(pair: tuple[Running, Running]) -> None:
    async def talk(running: Running) -> str | bytes:
        host, port = running.address(HTTP)
        async with connect(f"ws://myapp.{DOMAIN}/", host=host, port=port, proxy=None) as channel:
            await channel.send("hello")
            async with asyncio.timeout(DEADLINE):
                first = await channel.recv()
                return first if "hello" in str(first) else await channel.recv()

    for one in pair:
        with socket.create_connection(one.address(STREAM), timeout=DEADLINE) as plain:
            plain.sendall(b"hello\n")
            assert plain.recv(100) == b"hello\n"
        assert asyncio.run(talk(one)) == "hello"


def compare(old: Path, new: Path, capsys: pytest.CaptureFixture[str]) -> Sequence[dict[str, Any]]:
    capsys.readouterr()
    assert main(["diff", str(old), str(new), "--format", "json"]) == 1
    found: Sequence[dict[str, Any]] = json.loads(capsys.readouterr().out)["entries"]
    return found


def test_a_comparison_tells_what_the_conversion_said(
    conversion: Conversion, capsys: pytest.CaptureFixture[str]
) -> None:
    said = conversion.report.read_text().splitlines()
    [servers] = (line.split(": ")[0].removeprefix("- ") for line in said if ELSEWHERE in line)
    for entry in compare(conversion.source, conversion.converted, capsys):
        for aspect in entry["aspects"]:
            place, sentence = entry["old"]["place"], NAMED.get(aspect["name"]) or sentence_for(aspect["name"])
            if is_elsewhere(entry):
                place, sentence = servers, ELSEWHERE
            elif "response cost" in aspect["old"]:
                sentence = LIMIT_LEFT_OUT
            assert sentence is not None, (entry["title"], aspect)
            assert any(line.startswith(f"- {place}: ") and sentence in line for line in said), (entry["title"], aspect)


def test_where_prefixes_end_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    converted = tmp_path / "converted"
    assert main(["convert", str(EXAMPLE), "--to", "gateway-api", "--allow-lossy", "-o", str(converted)]) == 0
    assert "/v1/ becomes /v1, which takes /v1 without the slash as well" in capsys.readouterr().err
    main(["diff", str(EXAMPLE), str(converted)])
    assert "note: /v1 ends elsewhere: /v1 was 404" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sentence", "link"),
    [
        (NAMED["answer"], "link: apisix-fastapi"),
        (NAMED["upgrades"], "link: apisix-fastapi"),
        (NAMED["cors"], "link: apisix-fastapi"),
        (NAMED["security access token header"], "link: apisix-grafana"),
        (NAMED["security oidc id claims header"], "link: apisix-grafana"),
        (NAMED["prompts"], "link: ai_gateway-vllm"),
        (LIMIT_LEFT_OUT, "link: ai_gateway-vllm"),
    ],
)
def test_losses_stand_at_their_links(conversion: Conversion, sentence: str, link: str) -> None:
    lines = (conversion.source / "stack.yaml").read_text().splitlines()
    start = f"- {conversion.source}/stack.yaml:"
    said = [line for line in conversion.report.read_text().splitlines() if line.startswith(start) and sentence in line]
    assert {lines[int(line.removeprefix(start).partition(":")[0]) - 1] for line in said} == {f"- {link}"}
