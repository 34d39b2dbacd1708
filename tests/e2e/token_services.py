"""Services that give out credentials, and verify what they are shown as the vendors document it."""

import json
import socket
import time
import warnings
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qsl, unquote_plus
from urllib.request import Request, urlopen

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from filter_gateway import Answer, Upstream
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import OidcClient
from anygate.model.origin import Origin
from anygate.model.tls import Opaque

POLICY = Origin("BackendSecurityPolicy", "default", "cloud", "spec", "cloud.yaml", 7, 3)
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@dataclass(frozen=True)
class OpenIdProvider:
    """A real provider with one registered client."""

    issuer: str
    client_id: str
    client_secret: str

    def client(self, **fields: Any) -> OidcClient:
        return OidcClient(issuer=self.issuer, client_id=self.client_id, secret="oidc", **fields)

    @property
    def secret(self) -> Opaque:
        return opaque("oidc", self.client_secret)

    def verify(self, token: str) -> dict[str, Any]:
        """The claims of a token, verified with the keys that discovery leads to; raises JoseError."""
        discovered = json.load(urlopen(f"{self.issuer}/.well-known/openid-configuration", timeout=10))
        keys = KeySet.import_key_set(json.load(urlopen(discovered["jwks_uri"], timeout=10)))
        claims = jwt.decode(token, keys).claims
        jwt.JWTClaimsRegistry(iss={"essential": True, "value": self.issuer}, exp={"essential": True}).validate(claims)
        return claims


def opaque(name: str, value: str | bytes) -> Opaque:
    content = value if isinstance(value, bytes) else value.encode()
    return Opaque(origin=POLICY, name=name, value=Sensitive(content))


@contextmanager
def openid_provider(method: str = "client_secret_basic") -> Iterator[OpenIdProvider]:
    """Run oidc-provider-mock. It has no client credentials, so its code for tokens learns that grant here; clients,
    their secrets, discovery and keys are its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock
        from oidc_provider_mock import _app, _storage

    class ClientCredentials(_app.RefreshTokenGrant):
        GRANT_TYPE = "client_credentials"
        TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")

        def validate_token_request(self) -> None:
            self.request.client = self.authenticate_token_endpoint_client()

        def create_token_response(self) -> tuple[int, dict[str, Any], list[tuple[str, str]]]:
            now = int(time.time())
            key = RSAKey.import_key(_storage.storage.jwk.as_dict(is_private=True))
            claims = {
                "iss": _app.flask.request.host_url.rstrip("/"),
                "sub": self.request.client.get_client_id(),
                "scope": self.request.form.get("scope", ""),
                "iat": now,
                "exp": now + 300,
            }
            token = jwt.encode({"alg": "RS256", "kid": key.ensure_kid() or key.kid}, claims, key)
            return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 300}, []

    app = oidc_provider_mock.app(require_client_registration=True)

    @app.before_request
    def learn() -> None:
        server = _app.flask.g._authlib_authorization_server
        if not any(grant is ClientCredentials for grant, _ in server._token_grants):
            server.register_grant(ClientCredentials)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with oidc_provider_mock._server._threaded_server(app, poll_interval=0.01) as running:
            issuer = f"http://localhost:{running.server_port}"
            body = {"redirect_uris": ["http://localhost/"], "token_endpoint_auth_method": method}
            request = Request(
                f"{issuer}/oauth2/clients", json.dumps(body).encode(), {"content-type": "application/json"}
            )
            made = json.load(urlopen(request, timeout=10))
            yield OpenIdProvider(issuer, made["client_id"], made["client_secret"])


@dataclass
class Desk:
    """What a token service knows and what it gave out. `lives` are the lives of its tokens, the last one repeated."""

    provider: OpenIdProvider | None = None
    lives: list[float] = field(default_factory=lambda: [3600])
    issued: dict[str, float] = field(default_factory=dict)
    claims: list[dict[str, Any]] = field(default_factory=list)
    forms: list[dict[str, str]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def issue(self, **more: Any) -> Answer:
        token, life = self.make()
        return _json(200, {"token_type": "Bearer", "expires_in": int(life), "access_token": token, **more})

    def make(self) -> tuple[str, float]:
        life = self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]
        token = f"token-{next(self.numbers)}"
        self.issued[token] = time.time() + life
        return token, life

    def read(self, request: dict[str, Any]) -> dict[str, str]:
        assert request["headers"]["content-type"] == "application/x-www-form-urlencoded"
        form = dict(parse_qsl(request["body"], strict_parsing=True))
        self.forms.append(form)
        return form

    def accepts(self, token: str) -> bool:
        return self.issued.get(token.removeprefix("Bearer "), 0) > time.time()

    def verify(self, token: str) -> bool:
        assert self.provider is not None
        try:
            self.claims.append(self.provider.verify(token))
        except (JoseError, ValueError):
            return False
        return True


def _json(status: int, body: object) -> Answer:
    return status, {"content-type": "application/json"}, json.dumps(body).encode()


@contextmanager
def entra(desk: Desk, *, tenant: str, client: str, secret: str = "") -> Iterator[Upstream]:
    """Microsoft Entra's token endpoint: the client is known by its secret or by an assertion of a trusted issuer."""

    def answer(request: dict[str, Any]) -> Answer:
        form = desk.read(request)
        if request["method"] != "POST" or request["path"] != f"/{tenant}/oauth2/v2.0/token":
            return _json(404, {"error": "invalid_request"})
        proven = bool(secret) and form.get("client_secret") == secret
        if form.get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer":
            proven = desk.verify(form["client_assertion"])
        if form.get("client_id") != client or not proven:
            words = "AADSTS7000215: Invalid client secret provided. Trace ID: 0\r\nTimestamp: 1"
            return _json(401, {"error": "invalid_client", "error_description": words, "error_codes": [7000215]})
        if form["grant_type"] != "client_credentials":
            return _json(400, {"error": "unsupported_grant_type"})
        if form["scope"] != "https://cognitiveservices.azure.com/.default":
            return _json(400, {"error": "invalid_scope"})
        return desk.issue(ext_expires_in=3599)

    with Upstream("entra", answer) as running:
        yield running


@dataclass(frozen=True)
class ServiceAccount:
    """A service account with its key."""

    email: str
    key: rsa.RSAPrivateKey

    def file(self, token_uri: str) -> str:
        pem = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        fields = {"type": "service_account", "project_id": "p", "private_key_id": "k1", "private_key": pem.decode()}
        return json.dumps({**fields, "client_email": self.email, "token_uri": token_uri})


def service_account(email: str) -> ServiceAccount:
    return ServiceAccount(email, rsa.generate_private_key(65537, 2048))


@contextmanager
def google(desk: Desk, *, account: ServiceAccount | None = None, audience: str = "") -> Iterator[Upstream]:
    """Google's token endpoint, its security token service, its IAM and a metadata server, told apart by path."""
    running: Upstream

    def answer(request: dict[str, Any]) -> Answer:
        path = request["path"]
        if path == "/computeMetadata/v1/instance/service-accounts/default/token":
            if request["headers"].get("metadata-flavor") != "Google":
                return 403, {}, b"Missing Metadata-Flavor:Google header."
            status, headers, body = desk.issue()
            return status, {**headers, "metadata-flavor": "Google"}, body
        if path.startswith("/v1/projects/-/serviceAccounts/"):
            return _impersonate(desk, request)
        form = desk.read(request)
        if path == "/v1/token":
            return _exchange(desk, form, audience)
        if form["grant_type"] == "refresh_token":
            ok = (form["client_id"], form["client_secret"], form["refresh_token"]) == ("cli", "not-so-secret", "1//r")
            return desk.issue() if ok else _json(400, {"error": "invalid_grant"})
        assert account is not None
        return _assert(desk, form, account, f"http://127.0.0.1:{running.port}/token")

    with Upstream("google", answer) as running:
        yield running


def _assert(desk: Desk, form: dict[str, str], account: ServiceAccount, url: str) -> Answer:
    try:
        token = jwt.decode(form["assertion"], RSAKey.import_key(account.key.public_key()), algorithms=["RS256"])
    except JoseError:
        return _json(400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    claims = token.claims
    desk.claims.append(claims)
    good = (
        form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        and token.header["kid"] == "k1"
        and claims["iss"] == account.email
        and claims["aud"] == url
        and claims["scope"] == SCOPE
        and claims["iat"] <= time.time() < claims["exp"] <= claims["iat"] + 3600
    )
    return desk.issue() if good else _json(400, {"error": "invalid_grant"})


def _exchange(desk: Desk, form: dict[str, str], audience: str) -> Answer:
    good = (
        form["grant_type"] == EXCHANGE
        and form["audience"] == audience
        and form["scope"] == SCOPE
        and form["requested_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
        and form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
        and desk.verify(form["subject_token"])
    )
    if not good:
        return _json(400, {"error": "invalid_request", "error_description": "Invalid value for audience."})
    return desk.issue(issued_token_type="urn:ietf:params:oauth:token-type:access_token")


def _impersonate(desk: Desk, request: dict[str, Any]) -> Answer:
    email, _, verb = request["path"].removeprefix("/v1/projects/-/serviceAccounts/").partition(":")
    if not desk.accepts(request["headers"].get("authorization", "")):
        return _json(401, {"error": {"code": 401, "message": "bad token", "status": "UNAUTHENTICATED"}})
    body = json.loads(request["body"])
    if (verb, email, body["scope"]) != ("generateAccessToken", "runner@shop.iam.gserviceaccount.com", [SCOPE]):
        words = "Permission 'iam.serviceAccounts.getAccessToken' denied"
        return _json(403, {"error": {"code": 403, "message": words, "status": "PERMISSION_DENIED"}})
    token, life = desk.make()
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + life))
    return _json(200, {"accessToken": token, "expireTime": at})


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto, whose security token service makes keys that its other services then know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from moto.server import ThreadedMotoServer

        server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
        server.start()
        try:
            host, port = server.get_host_and_port()
            yield f"http://{host}:{port}"
        finally:
            server.stop()


def read_basic(header: str) -> tuple[str, str]:
    name, _, password = b64decode(header.removeprefix("Basic ")).decode().partition(":")
    return unquote_plus(name), unquote_plus(password)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
