"""The shorthand of a rule for one authentication plugin."""

from pydantic import Field

from anygate.manifests.fields import HeaderName
from anygate.manifests.kind import Node


class KeyAuthentication(Node):
    """Where a key is looked for."""

    header: HeaderName | None = None


class JwtAuthentication(Node):
    """Where a token is looked for."""

    header: HeaderName | None = None
    query: str | None = None
    cookie: str | None = None


class LdapAuthentication(Node):
    """The directory that users are looked up in."""

    base_dn: str | None = Field(default=None, alias="base_dn")
    ldap_uri: str | None = Field(default=None, alias="ldap_uri")
    use_tls: bool | None = Field(default=None, alias="use_tls")
    uid: str | None = None


class Authentication(Node):
    """Which authentication a rule asks for. The controller takes any type that it does not know for basicAuth."""

    enable: bool
    type: str = Field(min_length=1)
    key_auth: KeyAuthentication | None = None
    jwt_auth: JwtAuthentication | None = None
    ldap_auth: LdapAuthentication | None = None
