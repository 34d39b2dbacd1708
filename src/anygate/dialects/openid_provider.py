"""OpenID providers: where their endpoints are, written down or told by their discovery documents."""

import re
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from anygate.diagnostics import Rule, Severity
from anygate.manifests.discovery import Document, Endpoints
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind, Node

Url = Annotated[str, Field(pattern=r"^https?://[^\s/]+")]

_KEYCLOAK = re.compile(r"(https?://[^\s/]+(?:/[^\s?]*)?/realms/[^/\s?]+)/\.well-known/openid-configuration")

_ROUTE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web}
spec:
  http:
    - name: web
      match: {paths: ["/*"]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins:
      - name: openid-connect
        config:
          client_id: web
          bearer_only: true
          use_jwks: true
          discovery: https://sso.example.org/.well-known/openid-configuration
"""

NOT_ASKED = Rule(
    "openid-not-asked",
    Severity.NOTE,
    what="Manifests name an OpenID provider by its address only, and reading them asks nobody.",
    why="What only reads manifests, such as `check` and `explain`, does not know the provider's endpoints, and takes "
    "what it guards for closed. `anygate run` asks the provider.",
    wrong=_ROUTE,
    right=f"""{_ROUTE}
---
apiVersion: anygate.dev/v1alpha1
kind: OpenIdProvider
metadata: {{name: sso}}
spec:
  discovery: https://sso.example.org/.well-known/openid-configuration
  issuer: https://sso.example.org
  authorizationEndpoint: https://sso.example.org/authorize
  tokenEndpoint: https://sso.example.org/token
  jwksUri: https://sso.example.org/keys
""",
)

NOT_DISCOVERED = Rule(
    "openid-not-discovered",
    Severity.WARNING,
    what="An OpenID provider was asked where its endpoints are, and did not say it.",
    why="What the provider guards is closed until it does. It is asked again, every 30 seconds at least.",
    wrong="# the discovery URL of a provider that is not running",
    right="# that of one which is, or an OpenIdProvider with what its document says",
    external=True,
)


class OpenIdProviderSpec(Node):
    """The endpoints of the provider whose document is at `discovery`."""

    discovery: Url
    issuer: Url
    authorization_endpoint: Url | None = None
    token_endpoint: Url | None = None
    end_session_endpoint: Url | None = None
    jwks_uri: Url | None = None
    userinfo_endpoint: Url | None = None
    introspection_endpoint: Url | None = None


class OpenIdProvider(Kind):
    """A provider, known by the address of its discovery document, whose endpoints need not be asked for."""

    GROUP: ClassVar[str] = "anygate.dev"
    KIND: ClassVar[str] = "OpenIdProvider"

    spec: OpenIdProviderSpec


class Unknown(NamedTuple):
    """Why a provider's endpoints are not known."""

    rule: Rule
    message: str
    hint: str


def find_endpoints(index: Index, discovery: str, *, verify: bool = True) -> Endpoints | Unknown:
    """The endpoints of the provider whose document is at a URL: as an OpenIdProvider says, or else the document.

    Keycloak's follow from the URL while nobody has its document: its realms all have the same paths
    (https://www.keycloak.org/securing-apps/oidc-layers#_oidc-endpoints).
    """
    for one in index.every(OpenIdProvider):
        if one.spec.discovery == discovery:
            spec = one.spec
            login = (spec.authorization_endpoint, spec.token_endpoint, spec.end_session_endpoint)
            rest = (spec.jwks_uri, spec.userinfo_endpoint, spec.introspection_endpoint)
            return Endpoints(spec.issuer, *(url or "" for url in (*login, *rest)))
    said = index.documents.find(Document(discovery, verify))
    if isinstance(said, Endpoints):
        return said
    realm = _KEYCLOAK.fullmatch(discovery)
    if realm is not None:
        at = f"{realm[1]}/protocol/openid-connect"
        paths = ("auth", "token", "logout", "certs", "userinfo", "token/introspect")
        return Endpoints(realm[1], *(f"{at}/{path}" for path in paths))
    text = f"the endpoints of the provider at {discovery} are not known"
    if said is None:
        hint = "`anygate run` asks the provider; an OpenIdProvider can say what its document does"
        return Unknown(NOT_ASKED, text, hint)
    return Unknown(NOT_DISCOVERED, f"{text}: {said.reason}", "the provider is asked again, every 30 s at least")
