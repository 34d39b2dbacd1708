"""API keys, passwords and cross-origin requests."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Duration, Many
from anygate.manifests.kind import Node
from anygate.manifests.references import SecretObjectReference
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations, check_exactly_one

Name = Annotated[str, Field(min_length=1)]

Origin = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^(\*|https?://(\*|(\*\.)?(([\w-]+\.?)+)?[\w-]+)(:\d{1,5})?)$",
    ),
]
"""`*`, or scheme and host, where the host may start with a wildcard label."""


class ExtractFrom(Node):
    """Names of headers, of query parameters or of cookies that hold the key."""

    headers: NonEmpty[Name] | None = None
    params: NonEmpty[Name] | None = None
    cookies: NonEmpty[Name] | None = None

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        check_exactly_one(found, headers=self.headers, params=self.params, cookies=self.cookies)
        found.refuse()
        return self


class APIKeyAuth(Node):
    """Requests need a key; each entry of the Secrets is a client and its key."""

    credential_refs: Many[SecretObjectReference]
    # The first source that holds a key counts.
    extract_from: Many[ExtractFrom]
    forward_client_id_header: str | None = Field(default=None, alias="forwardClientIDHeader")
    # Remove the key before forwarding.
    sanitize: bool = False


class BasicAuth(Node):
    """Requests need a user and password; the Secret's key `.htpasswd` holds SHA-1 hashes."""

    users: SecretObjectReference
    forward_username_header: str | None = None


class CORS(Node):
    """Answers preflight requests and marks responses for browsers."""

    allow_origins: NonEmpty[Origin] | None = None
    allow_methods: NonEmpty[str] | None = None
    allow_headers: Many[str] = ()
    expose_headers: Many[str] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
