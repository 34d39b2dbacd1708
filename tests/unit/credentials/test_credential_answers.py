"""Whatever a token service answers: a credential or a problem in words, never a crash, never a secret."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anygate.credentials.aws import read_keys, session_name
from anygate.credentials.endpoints import Endpoints
from anygate.credentials.fetch import fetch
from anygate.credentials.oidc import discover
from anygate.credentials.problem import FetchProblem
from anygate.credentials.sources import Outside
from anygate.credentials.token import LONGEST_LIFE, Token, read_expiry, read_life, read_token
from anygate.credentials.wanted import Wanted
from anygate.credentials.web import Answer, Web
from anygate.manifests.sensitive import Sensitive
from anygate.model import Origin
from anygate.model.inference import AzureToken, GcpToken, OidcClient

anyio = pytest.mark.anyio
POLICY = Origin("BackendSecurityPolicy", "default", "azure")
SECRET = "hunter2 with+signs/and=more"
NOW = 1_700_000_000.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@asynccontextmanager
async def server(answer: Callable[[bytes], bytes], *, hang: bool = False) -> AsyncIterator[str]:
    """Answer every request with raw bytes; with `hang` never end the answer."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
            body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
            writer.write(answer(head + body))
            await writer.drain()
            if hang:
                await reader.read()
        writer.close()

    running = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with running:
        yield f"http://127.0.0.1:{running.sockets[0].getsockname()[1]}"


def http(body: bytes, status: int = 200, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}", "connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def wanted(source: Any = None, secret: str = SECRET) -> Wanted:
    source = source or AzureToken(tenant="t", client_id="c", secret="s")
    return Wanted("w", source, POLICY, secrets=(("s", Sensitive(secret.encode())),))


async def ask(url: str, patience: float = 10.0, source: Any = None) -> Any:
    return await fetch(wanted(source), Outside(Endpoints(azure=url), Web(patience), lambda: NOW))


async def refusal(answer: bytes, **options: Any) -> str:
    async with server(lambda _: answer, hang=options.pop("hang", False)) as url:
        with pytest.raises(FetchProblem) as caught:
            await ask(url, **options)
    return str(caught.value)


GOOD = {"token_type": "Bearer", "access_token": "t", "expires_in": 3600}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "127.0.0.1 answered with something else than a JSON object"),
        (b"<html>", "127.0.0.1 answered with something else than a JSON object"),
        (b"[]", "127.0.0.1 answered with something else than a JSON object"),
        (b"[" * 100_000, "127.0.0.1 answered with something else than a JSON object"),
        (b"{}", "the answer has no access_token"),
        (b'{"access_token": 1}', "the answer has no access_token"),
        (b'{"access_token": "a b"}', "access_token in the answer has characters that no token has"),
        (b'{"access_token": "a\\r\\nx: y"}', "access_token in the answer has characters that no token has"),
        (b'{"access_token": "t", "token_type": "mac"}', "the token is not a bearer token"),
        (b'{"access_token": "t"}', "the answer does not say how long the token is good for (expires_in)"),
        (b'{"access_token": "t", "expires_in": 0}', "the credential has already expired; "
         "is the clock of this machine right?"),
        (b" " * 1_100_000, "127.0.0.1 answered with more than 1,048,576 bytes"),
    ],
    ids=range(12),
)  # fmt: skip
@anyio
async def test_an_answer_that_is_no_token(body: bytes, words: str) -> None:
    assert await refusal(http(body)) == words


@anyio
async def test_what_is_not_http_or_ends_early() -> None:
    assert (await refusal(b"hello\r\n\r\n")).startswith("cannot ask 127.0.0.1: ")
    assert (await refusal(b"")).startswith("cannot ask 127.0.0.1: ")
    assert (await refusal(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")).startswith("cannot ask 127.0.0.1: ")


@anyio
async def test_a_packed_answer_is_not_unpacked() -> None:
    words = await refusal(http(b"\x1f\x8b", 200, "content-encoding: gzip"))
    assert words == "127.0.0.1 answered with something else than a JSON object"


@anyio
async def test_a_redirect_is_not_followed() -> None:
    assert await refusal(http(b"", 302, "location: http://127.0.0.1:1/")) == "127.0.0.1 answered 302"


@anyio
async def test_a_slow_answer_has_its_deadline() -> None:
    words = "127.0.0.1 did not answer within 0.2 seconds"
    assert await refusal(b"HTTP/1.1 200 OK\r\n", patience=0.2, hang=True) == words


@anyio
async def test_nobody_listens() -> None:
    with pytest.raises(FetchProblem, match="cannot ask 127"):
        await ask("http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["", "login", "ftp://x", "http://"])
@anyio
async def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(FetchProblem, match="address"):
        await ask(url)


@anyio
async def test_a_proxy_that_cannot_be_used_is_not_quoted() -> None:
    outside = Outside(Endpoints(azure="http://x.example", azure_proxy="foo://me:hunter2@proxy"))
    with pytest.raises(FetchProblem, match="its proxy cannot be used") as caught:
        await fetch(wanted(), outside)
    assert "hunter2" not in str(caught.value)


@anyio
async def test_a_service_that_repeats_the_request_does_not_get_the_secret_shown() -> None:
    def echo(request: bytes) -> bytes:
        said = {"error": "invalid", "error_description": f"{SECRET} {quote(SECRET)} {request.decode()}"}
        return http(json.dumps(said).encode(), 401)

    async with server(echo) as url:
        with pytest.raises(FetchProblem) as caught:
            await ask(url)
        assert "hunter2" not in str(caught.value)
        client = OidcClient(issuer=url, client_id="c", secret="s", token_endpoint=url)
        with pytest.raises(FetchProblem) as caught:
            await ask(url, source=AzureToken(tenant="t", client_id="c", oidc=client))
        assert "hunter2" not in str(caught.value)
        assert "aHVudGVyMi" not in str(caught.value)


# discovery


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"issuer": "https://other"}, "calls itself by another issuer"),
        ({}, "calls itself by another issuer"),
        ({"issuer": "ISSUER"}, "names no token_endpoint"),
        ({"issuer": "ISSUER", "token_endpoint": 5}, "names no token_endpoint"),
    ],
)
@anyio
async def test_a_provider_that_is_not_what_it_should_be(found: dict[str, Any], words: str) -> None:
    issuer = ""
    async with server(lambda _: http(json.dumps(found).replace("ISSUER", issuer).encode())) as url:
        issuer = url
        with pytest.raises(FetchProblem, match=words):
            await discover(OidcClient(issuer=url, client_id="c", secret="s"), Outside())


@anyio
async def test_what_a_provider_offers() -> None:
    issuer = ""
    offer = {
        "token_endpoint": "http://x/token",
        "scopes_supported": ["a", 5, "", "b"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"],
    }
    async with server(lambda _: http(json.dumps({"issuer": issuer, **offer}).encode())) as url:
        issuer = url
        found = await discover(OidcClient(issuer=url, client_id="c", secret="s"), Outside())
    assert (found.token_endpoint, found.scopes, found.styles) == ("http://x/token", ("a", "b"), ("post",))


# files of Google


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("", "the Secret s does not hold a JSON object"),
        ("[1]", "the Secret s does not hold a JSON object"),
        ("{}", "a credentials file of Google must be of type service_account or authorized_user"),
        ('{"type": "service_account"}', "the credentials file of Google has no client_email"),
        ('{"type": "service_account", "client_email": "e", "private_key": "hunter2"}',
         "private_key in the service account's file is not an RSA key (PEM)"),
        ('{"type": "authorized_user", "client_id": "c"}', "the credentials file of Google has no client_secret"),
    ],
)  # fmt: skip
@anyio
async def test_a_file_that_is_not_one_of_google(file: str, words: str) -> None:
    with pytest.raises(FetchProblem) as caught:
        await fetch(wanted(GcpToken(file="s"), file), Outside())
    assert str(caught.value) == words


# any answer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = st.sampled_from(["access_token", "expires_in", "token_type", "error", "error_description", "expireTime"])


@given(st.dictionaries(FIELDS, JSON))
def test_any_json_is_a_token_or_a_problem(found: dict[str, Any]) -> None:
    with suppress(FetchProblem):
        token = read_token(found)
        assert 0 < token.life <= LONGEST_LIFE
        assert token.value.reveal_text().isprintable()


@given(JSON)
def test_any_life_is_bounded_or_a_problem(value: Any) -> None:
    with suppress(FetchProblem):
        assert 0 < read_life(value) <= LONGEST_LIFE
    with suppress(FetchProblem):
        assert 0 < read_expiry(value, NOW) <= LONGEST_LIFE


@pytest.mark.parametrize("value", ["3600", 3600, 3600.0])
def test_services_write_a_life_in_several_ways(value: object) -> None:
    assert read_life(value) == 3600


@pytest.mark.parametrize("value", [True, float("nan"), "-1", "1e3", "٣", None, [], -1, "9" * 5000])
def test_what_is_no_life(value: object) -> None:
    with pytest.raises(FetchProblem):
        read_life(value)


def test_a_very_long_life_is_cut() -> None:
    assert read_life(10**400) == read_life(float("inf")) == LONGEST_LIFE
    assert read_expiry("9999-12-31T23:59:59Z", NOW) == LONGEST_LIFE
    with pytest.raises(FetchProblem, match="does not say when"):
        read_expiry("2026-01-01T00:00:00", NOW)


def answer(body: bytes, status: int = 200) -> Answer:
    return Answer("sts", status, {}, body)


XML = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{0}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>
<SessionToken>t</SessionToken><Expiration>2023-11-14T22:30:00Z</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


def test_keys_are_read_from_xml() -> None:
    keys = read_keys(answer(XML.format("AKIA").encode()), NOW)
    assert (keys.key_id, keys.secret.reveal(), keys.session.reveal(), keys.life) == ("AKIA", b"s", b"t", 1000)
    assert "b's'" not in repr(keys)


@pytest.mark.parametrize("key", ["", "a b", "a&#10;[other]"])
def test_keys_that_would_break_their_file(key: str) -> None:
    with pytest.raises(FetchProblem):
        read_keys(answer(XML.format(key).encode()), NOW)


def test_entities_are_not_read() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    with pytest.raises(FetchProblem, match="has no AccessKeyId"):
        read_keys(answer(bomb), NOW)


@given(st.binary(max_size=200) | st.text(alphabet="<>&;/!?=\"' aExpiraton[]", max_size=80).map(str.encode))
def test_any_bytes_are_keys_or_a_problem(body: bytes) -> None:
    for status in (200, 403):
        with pytest.raises(FetchProblem):
            read_keys(answer(body, status), NOW)


@pytest.mark.parametrize(
    ("text", "name"), [("ai-gateway-x", "ai-gateway-x"), ("a/b c", "a-b-c"), ("", "--"), ("x" * 80, "x" * 64)]
)
def test_session_names_are_what_aws_allows(text: str, name: str) -> None:
    assert session_name(text) == name


@settings(max_examples=40, deadline=None)
@given(
    st.integers(200, 599),
    st.binary(max_size=80) | st.dictionaries(FIELDS, JSON).map(lambda one: json.dumps(one).encode()),
)
def test_any_http_answer_is_a_token_or_a_problem(status: int, body: bytes) -> None:
    async def run() -> None:
        async with server(lambda _: http(body, status)) as url:
            with suppress(FetchProblem):
                assert isinstance(await ask(url), Token)

    asyncio.run(run())


@given(st.text(max_size=400))
def test_quoted_words_are_one_short_printable_line(text: str) -> None:
    said = Answer("h", 400, {}, b"", ("hunter2",)).quote(text + "hunter2")
    assert "hunter2" not in said
    assert len(said) <= 301
    assert not set(said) - {chr(code) for code in range(32, 127)} - {"…"}
