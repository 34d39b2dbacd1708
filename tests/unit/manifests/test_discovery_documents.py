"""What is taken from an OpenID provider's discovery document, and which ones are not believed."""

import json

import pytest

from anygate.manifests.discovery import Document, Endpoints, Missing, parse_document

TLS = Document("https://sso.test/.well-known/openid-configuration")
PLAIN = Document("http://localhost:8081/.well-known/openid-configuration")


def document(**fields: object) -> bytes:
    return json.dumps({"issuer": "https://sso.test", "token_endpoint": "https://api.sso.test/token", **fields}).encode()


def test_endpoints_may_be_on_other_hosts_and_may_be_absent() -> None:
    said = parse_document(TLS, document(jwks_uri="https://keys.test/k?x=1", end_session_endpoint=None, more=[1]))
    assert said == Endpoints("https://sso.test", "", "https://api.sso.test/token", "", "https://keys.test/k?x=1")


def test_only_a_document_without_tls_leads_to_where_there_is_none() -> None:
    content = document(token_endpoint="http://localhost/token")
    assert parse_document(TLS, content) == Missing("the token_endpoint in its document is not an https URL")
    assert isinstance(parse_document(PLAIN, content), Endpoints)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>starting</html>",
        b"[]",
        b"[" * 100_000,
        b'{"issuer": "\xff"}',
        b"{}",
        document(issuer=""),
        document(issuer=["https://sso.test"]),
        document(token_endpoint="/token"),
        document(token_endpoint=7),
        document(jwks_uri="file:///etc/passwd"),
        document(authorization_endpoint="https://sso.test/a\r\nx: y"),
        document(authorization_endpoint="https://sso.test/a b"),
    ],
)
def test_what_is_no_document(content: bytes) -> None:
    assert isinstance(parse_document(TLS, content), Missing)
