"""Requests to language models: the API that a backend speaks, and what makes a rule one of AI requests."""

from typing import Literal

from anygate.model.edit import HeaderEdit
from anygate.model.origin import Node, Origin

MODEL_HEADER = "x-ai-eg-model"
"""The header in which a request's model stands while it is routed; what a client sends in it is never believed."""

ModelEndpoint = Literal[
    "chat",
    "completions",
    "embeddings",
    "responses",
    "responses_input_tokens",
    "images",
    "image_edits",
    "speech",
    "transcription",
    "translation",
    "messages",
    "count_tokens",
    "rerank",
    "tokenize",
]
"""What a client asks for; one path or a few each, in `providers/paths.py`."""


class KeyCredential(Node, frozen=True):
    """A key in a header. `secret` names an `Opaque` of the model that holds the whole value, `Bearer ` included."""

    origin: Origin
    secret: str
    header: str = "authorization"


class QueryCredential(Node, frozen=True):
    """A key in a parameter of the query. `secret` names an `Opaque` of the model that holds it, escaped for a URL."""

    origin: Origin
    secret: str
    parameter: str


class TokenCredential(Node, frozen=True):
    """A token in `authorization` that has to be fetched and renewed.

    `secret` is the name under which Envoy asks for it; it is not in the model's secrets, because its value is not in
    the manifests. `source` says how it is had.
    """

    origin: Origin
    secret: str
    source: "TokenSource"


class AwsCredential(Node, frozen=True):
    """Requests signed with SigV4 for `service` in `region`.

    Keys come from `file`, an `Opaque` of the model that holds an AWS credentials file, from an exchange, or, with
    neither, from the environment that Envoy runs in.
    """

    origin: Origin
    region: str
    service: str = "bedrock"
    file: str = ""
    profile: str = "default"
    exchange: "AwsExchange | None" = None


class OidcClient(Node, frozen=True):
    """A client of an OpenID provider that gets tokens by the client-credentials flow.

    `secret` names an `Opaque` of the model with the client's secret. Without `token_endpoint` it is discovered from
    the issuer.
    """

    issuer: str
    client_id: str
    secret: str
    token_endpoint: str = ""
    scopes: tuple[str, ...] = ()


class AwsExchange(Node, frozen=True):
    """Temporary keys of a role for a token of an OpenID provider (AssumeRoleWithWebIdentity).

    `name` is unique and stable: the file with the keys is called after it.
    """

    name: str
    role: str
    session: str
    oidc: OidcClient


class AzureToken(Node, frozen=True):
    """A token of Microsoft Entra for the client, by its secret (an `Opaque`) or by a token of an OpenID provider."""

    tenant: str
    client_id: str
    secret: str = ""
    oidc: OidcClient | None = None


class GcpToken(Node, frozen=True):
    """A token of Google: by a service account's file (an `Opaque`), by federation, or, with neither, by the
    environment's default credentials."""

    file: str = ""
    federation: "GcpFederation | None" = None


class GcpFederation(Node, frozen=True):
    """A token of an OpenID provider exchanged at Google's STS, and then for one of `service_account`, if given."""

    project_id: str
    project_name: str
    pool: str
    provider: str
    oidc: OidcClient
    service_account: str = ""


TokenSource = AzureToken | GcpToken
UpstreamCredential = KeyCredential | QueryCredential | TokenCredential | AwsCredential


class CredentialOverride(Node, frozen=True):
    """Take the credential from a request header that a trusted filter has set, or else, with `fallback`, the
    configured one. For AWS `header` is the prefix of three headers."""

    header: str
    fallback: bool = True


class BodyEdit(Node, frozen=True):
    """Changes of a JSON body: `remove` first, then `set`, whose values are JSON texts. Paths are dotted."""

    set: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


def sets_members(edit: BodyEdit) -> bool:
    """Whether all that an edit does is to set members at the top, which needs no body read as a whole."""
    return not edit.remove and not any(set(name) & {".", '"', "\\"} for name, _ in edit.set)


class Otel(Node, frozen=True):
    """Where spans of a provider's requests go: an OTLP endpoint, gRPC unless the URL has a path."""

    endpoint: str
    service: str


class Langfuse(Node, frozen=True):
    """Where generations of a provider are told. `secret` names an `Opaque` of the model with the secret key; an empty
    host or key is taken from Langfuse's own environment variables."""

    host: str = ""
    public_key: str = ""
    secret: str = ""


class Provider(Node, frozen=True):
    """The API of a model provider that a backend speaks, and what requests to it carry.

    `name` is that of the AIServiceBackend or the like (`namespace/name`); `format` one of the schema names of
    AIServiceBackend, or `Gemini` for Google AI Studio. `model` replaces the client's. `headers` and `body` are edited
    after translation and before the request is signed. `forward_proxy` is the `address:port` of an HTTP proxy that
    connections to the provider go through. With `passes_credentials` the client's own credentials are left on its
    requests. `otel` and `langfuse` are told of each request. `path` is that of all requests, with its query, where a
    provider has them elsewhere than its format says.
    """

    origin: Origin
    name: str
    format: str
    version: str = ""
    prefix: str = ""
    model: str = ""
    region: str = ""
    project: str = ""
    credential: UpstreamCredential | None = None
    override: CredentialOverride | None = None
    headers: HeaderEdit | None = None
    body: BodyEdit | None = None
    chat_only: bool = False
    legacy_max_tokens: bool = False
    forward_proxy: str = ""
    passes_credentials: bool = False
    otel: Otel | None = None
    langfuse: Langfuse | None = None
    path: str = ""


class Cost(Node, frozen=True):
    """A number worked out when an answer has ended, under `key` in the namespace `io.envoy.ai_gateway`.

    `expression` is CEL over the strings `model`, `backend` and `route_name` and the token counts (`input_tokens` and so
    on), which are unsigned integers. Whoever reads it has seen to it that its result is an unsigned integer and that it
    cannot fail for want of conversions or by a difference below zero.
    """

    origin: Origin
    key: str
    expression: str


class Inference(Node, frozen=True):
    """What makes a rule one of AI requests: the endpoint asked for, and what the answers cost.

    `route` is the AIGatewayRoute (`namespace/name`).
    """

    origin: Origin
    endpoint: ModelEndpoint
    route: str
    costs: tuple[Cost, ...] = ()
