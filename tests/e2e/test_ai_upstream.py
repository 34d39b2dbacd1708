"""What providers are sent: paths, bodies, headers, credentials, on the first attempt and after failed ones."""

import json
from itertools import permutations

import pytest
from upstream_gateway import Row, backend, gateway, key, opaque, providers

from anygate.envoy.api import typed
from anygate.envoy.names import REWRITE
from anygate.model.edit import HeaderEdit

SECRETS = [opaque(f"key-{name}", f"Bearer secret-{name}") for name in ("a", "b", "c", "d", "e")]
BODY = b'{"big": 9223372036854775807, "model" : "m", "note": "\\u00e9 \\"model\\": ", "messages": [{"model": "inner"}]}'
CLIENT = {
    "authorization": "Bearer client",
    "cookie": "session=client",
    "x_api_key": "client",
    "api_key": "client",
    "x_ai_eg_model": "client",
    "x_aigw_api_key": "client",
    "x_anygate_provider": "client",
    "x_amz_security_token": "client",
}


def test_a_client_keeps_its_credentials_to_itself() -> None:
    with providers(200) as [one], gateway([backend("a", one.port)], Row(["a"])) as running:
        assert running.post(BODY, path="/v1/chat/completions?key=client", **CLIENT).status_code == 200
    [seen] = one.seen
    assert "client" not in str(seen.headers.values())
    assert (seen.path, seen.body) == ("/v1/chat/completions", BODY)
    assert seen.headers["content-length"] == str(len(BODY))
    assert seen.headers["host"] == "a.example"


FORMATS = {
    "OpenAI": ({"prefix": "/api/v2/"}, "authorization"),
    "AzureOpenAI": ({"version": "2025-01-01"}, "api-key"),
    "AWSOpenAI": ({"model": "a longer name of a model"}, "authorization"),
    "Override": ({"model": "x"}, "x-my-key"),
    "Plain": ({}, "x-api-key"),
}
EXPECTED = {
    "OpenAI": ("/api/v2/chat/completions", b'"m"'),
    "AzureOpenAI": ("/openai/deployments/m/chat/completions?api-version=2025-01-01", b'"m"'),
    "AWSOpenAI": ("/openai/v1/chat/completions", b'"a longer name of a model"'),
    "Override": ("/v1/chat/completions", b'"x"'),
    "Plain": ("/v1/chat/completions", b'"m"'),
}


def test_no_attempt_shows_in_the_next_one() -> None:
    with providers(503, 503, 503, 503, 503) as servers:
        made = []
        for name, letter, server in zip(FORMATS, "abcde", servers, strict=True):
            fields, header = FORMATS[name]
            kind = name if name in ("AzureOpenAI", "AWSOpenAI") else "OpenAI"
            made.append(backend(letter, server.port, kind, credential=key(letter, header), **fields))
        orders = [(*order,) for order in permutations("abcde", 3)]
        rows = [Row(order, path="/" + "".join(order)) for order in orders]
        by_letter = dict(zip("abcde", zip(FORMATS, servers, strict=True), strict=True))
        with gateway(made, *rows, secrets=SECRETS) as running:
            for order in orders:
                for server in servers:
                    server.seen.clear()
                assert running.post(BODY, path="/" + "".join(order), **CLIENT).status_code == 503
                for letter in order:
                    _check(letter, *by_letter[letter])


def _check(letter: str, name: str, server: object) -> None:
    [seen] = server.seen  # type: ignore[attr-defined]
    path, model = EXPECTED[name]
    assert seen.path == path
    assert seen.body == BODY.replace(b'"m"', model)
    assert seen.headers["content-length"] == str(len(seen.body))
    assert "transfer-encoding" not in seen.headers
    secrets = {value for value in seen.headers.values() if "secret-" in value or "client" in value}
    assert secrets == {f"Bearer secret-{letter}"}
    assert seen.headers[FORMATS[name][1]] == f"Bearer secret-{letter}"


def test_headers_that_one_provider_edits_reach_the_next_as_the_client_sent_them() -> None:
    edit = HeaderEdit(set=(("x-team", "a"), ("x-new", "secret-of-a")), remove=("x-lost",))
    with providers(503, 200) as [one, two]:
        made = [backend("a", one.port, headers=edit), backend("b", two.port)]
        with gateway(made, Row(["a", "b"])) as running:
            assert running.post(BODY, x_team="mine", x_lost="here").status_code == 200
    first, second = one.seen[0].headers, two.seen[0].headers
    assert (first["x-team"], first["x-new"], first.get("x-lost")) == ("a", "secret-of-a", None)
    assert (second["x-team"], second.get("x-new"), second["x-lost"]) == ("mine", None, "here")


@pytest.mark.parametrize(
    ("kind", "endpoint", "fields", "path"),
    [
        ("OpenAI", "embeddings", {}, "/v1/embeddings"),
        ("OpenAI", "tokenize", {"prefix": "/x"}, "/tokenize"),
        (
            "AzureOpenAI",
            "embeddings",
            {"version": "1", "model": "a b/c"},
            "/openai/deployments/a%20b%2Fc/embeddings?api-version=1",
        ),
        ("AzureOpenAI", "responses", {"version": "1"}, "/openai/responses?api-version=1"),
        ("AzureOpenAI", "speech", {"version": "1"}, "/openai/deployments/m/audio/speech?api-version=1"),
        ("Anthropic", "messages", {}, "/v1/messages"),
        ("Anthropic", "count_tokens", {"prefix": "api"}, "/api/messages/count_tokens"),
        ("Cohere", "rerank", {"version": "v1"}, "/v1/rerank"),
    ],
)
def test_paths(kind: str, endpoint: str, fields: dict[str, str], path: str) -> None:
    with providers(200) as [one], gateway([backend("a", one.port, kind, **fields)], Row(["a"], endpoint)) as running:
        assert running.post(BODY, endpoint).status_code == 200
    [seen] = one.seen
    assert seen.path == path
    assert json.loads(seen.body)["model"] == fields.get("model", "m")
    assert seen.headers.get("anthropic-version") == ("2023-06-01" if kind == "Anthropic" else None)


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("a/../b c%", "a%2F..%2Fb%20c%25"),
        ("é", "%C3%A9"),
        ("arn:aws:x/y", "arn:aws:x%2Fy"),
        ("..", ""),
        ("", ""),
        ("-", ""),
    ],
)
def test_a_model_is_one_segment_of_a_path_or_refused(model: str, segment: str) -> None:
    with providers(200) as [one], gateway([backend("a", one.port, "AzureOpenAI")], Row(["a"])) as running:
        answer = running.post({"model": model})
    if segment:
        assert [seen.path for seen in one.seen] == [f"/openai/deployments/{segment}/chat/completions"]
    else:
        assert (answer.status_code, one.seen) == (422, [])
        assert answer.json()["error"]["type"] == "UnprocessableEntity"


def test_an_endpoint_that_a_backend_does_not_have_is_refused() -> None:
    with providers(200) as [one], gateway([backend("a", one.port, "Cohere")], Row(["a"], "messages")) as running:
        answer = running.post(BODY, "messages")
    assert (answer.status_code, answer.json()["type"], one.seen) == (422, "error", [])
    assert "request_id" in answer.json() or "error" in answer.json()


def test_usage_is_asked_for_on_streams_only() -> None:
    plain = b'{"model":"m","stream":false}'
    stream = b'{"model":"m","stream":true,"stream_options":{"x":1}}'
    with providers(200) as [one], gateway([backend("a", one.port)], Row(["a"], usage=True)) as running:
        for body in (plain, stream):
            assert running.post(body).status_code == 200
    assert one.seen[0].body == plain
    assert one.seen[1].body == b'{"model":"m","stream":true,"stream_options":{"x":1,"include_usage":true}}'


@pytest.mark.parametrize("body", [b"", b"no json", b'{"model": "m"', b"[1]", b"\xff\xfe"])
def test_a_body_that_is_no_object_is_left_alone(body: bytes) -> None:
    with providers(200) as [one], gateway([backend("a", one.port, model="x")], Row(["a"], usage=True)) as running:
        assert running.post(body, content_type="text/other").status_code == 200
    assert one.seen[0].body == body


def test_large_bodies_are_rewritten_on_every_attempt() -> None:
    body = json.dumps({"messages": ['é\n\\"' * 1_000_000], "model": "m"}).encode()
    with providers(503, 200) as [one, two]:
        made = [backend("a", one.port, model="long name"), backend("b", two.port, model="x")]
        with gateway(made, Row(["a", "b"])) as running:
            assert running.post(body).status_code == 200
    for server, model in ((one, "long name"), (two, "x")):
        [seen] = server.seen
        assert seen.body == body.replace(b'"model": "m"', b'"model": "%s"' % model.encode())
        assert seen.headers["content-length"] == str(len(seen.body))


def test_a_body_of_unknown_length_leaves_with_its_length() -> None:
    with providers(503, 200) as [one, two]:
        made = [backend("a", one.port, model="long name"), backend("b", two.port)]
        with gateway(made, Row(["a", "b"])) as running:
            sent = running.client.post(
                "/v1/chat/completions",
                content=iter([BODY[:20], BODY[20:]]),
                headers={"content-type": "application/json"},
            )
            assert sent.status_code == 200
    for seen in (*one.seen, *two.seen):
        assert seen.headers["content-length"] == str(len(seen.body))
    assert two.seen[0].body == BODY


def test_a_route_can_do_without_the_script() -> None:
    off = typed("envoy.extensions.filters.http.lua.v3.LuaPerRoute", disabled=True)
    with providers(200) as [one]:
        row = Row(["a"], path="/as/it/is", more={"typed_per_filter_config": {REWRITE: off}})
        with gateway([backend("a", one.port, credential=key("a"))], row, secrets=SECRETS) as running:
            assert running.post(BODY, path="/as/it/is", **CLIENT).status_code == 200
    [seen] = one.seen
    assert (seen.path, seen.body, seen.headers["content-length"]) == ("/as/it/is", BODY, str(len(BODY)))
    assert seen.headers["authorization"] == "Bearer secret-a"
    assert "client" not in str(seen.headers.values())


def test_a_translated_request_passes_as_it_is() -> None:
    made = []
    with providers(200) as [one]:
        made = [backend("a", one.port, model="x", credential=key("a"))]
        with gateway(made, Row(["a"], path="/any/path", egress=True), secrets=SECRETS) as running:
            assert running.post(BODY, path="/any/path?q=1", **CLIENT).status_code == 200
    [seen] = one.seen
    assert (seen.path, seen.body) == ("/any/path?q=1", BODY)
    assert seen.headers["authorization"] == "Bearer secret-a"
    assert seen.headers["content-length"] == str(len(BODY))
    assert "client" not in str(seen.headers.values())


def test_no_secret_shows_in_a_dump() -> None:
    with providers(200) as [one]:
        made = [backend("a", one.port, credential=key("a"))]
        with gateway(made, Row(["a"]), secrets=SECRETS) as running:
            assert running.post(BODY).status_code == 200
            dump = running.envoy.ask_admin("/config_dump")
    assert "secret-a" not in dump
