"""ApisixConsumer: somebody who calls, and how that is proved."""

from typing import ClassVar, Self

from pydantic import Field, model_validator

from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP, Plugin
from anygate.dialects.apisix.kinds.values import LocalReference
from anygate.manifests.fields import Many, SensitiveText
from anygate.manifests.kind import Kind, Node
from anygate.manifests.violations import Violations, check_exactly_one

AUTH_PLUGINS = frozenset(("basic-auth", "hmac-auth", "jwt-auth", "key-auth", "ldap-auth", "wolf-rbac"))
_ASYMMETRIC = frozenset(("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"))


class KeyValue(Node):
    """A key."""

    key: SensitiveText


class BasicValue(Node):
    """A user name and a password."""

    username: str = Field(min_length=1)
    password: SensitiveText


class JwtValue(Node):
    """What tokens are checked with."""

    key: str = Field(min_length=1)
    secret: SensitiveText | None = None
    public_key: str | None = Field(default=None, alias="public_key")
    private_key: SensitiveText | None = Field(default=None, alias="private_key")
    algorithm: str | None = None
    exp: int | None = Field(default=None, ge=1)
    base64_secret: bool | None = Field(default=None, alias="base64_secret")
    lifetime_grace_period: int | None = Field(default=None, ge=0, alias="lifetime_grace_period")

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        found = Violations()
        if self.algorithm in _ASYMMETRIC and self.public_key is None and self.private_key is None:
            found.add(f"public_key is required when algorithm is {self.algorithm}", "public_key", code="required")
        found.refuse()
        return self


class WolfValue(Node):
    """An application of a wolf server."""

    server: str | None = None
    appid: str | None = None
    header_prefix: str | None = Field(default=None, alias="header_prefix", pattern=r"^[A-Za-z0-9_-]*$")
    ssl_verify: bool | None = Field(default=None, alias="ssl_verify")


class HmacValue(Node):
    """A key for signatures; the older release names it differently."""

    key_id: str | None = Field(default=None, alias="key_id")
    access_key: str | None = Field(default=None, alias="access_key")
    secret_key: SensitiveText = Field(alias="secret_key")
    algorithm: str | None = None
    clock_skew: int | None = Field(default=None, alias="clock_skew")
    signed_headers: Many[str] = Field(default=(), alias="signed_headers")
    keep_headers: bool | None = Field(default=None, alias="keep_headers")
    encode_uri_params: bool | None = Field(default=None, alias="encode_uri_params")
    validate_request_body: bool | None = Field(default=None, alias="validate_request_body")
    max_req_body: int | None = Field(default=None, alias="max_req_body")

    @model_validator(mode="after")
    def _check_key(self) -> Self:
        found = Violations()
        check_exactly_one(found, key_id=self.key_id, access_key=self.access_key)
        found.refuse()
        return self


class LdapValue(Node):
    """A user of a directory."""

    user_dn: str = Field(min_length=1, alias="user_dn")


class _Parameter(Node):
    """A credential, or the Secret that holds it."""

    secret_ref: LocalReference | None = None

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        # Each kind of credential has a `value` of its own.
        check_exactly_one(found, value=getattr(self, "value", None), secretRef=self.secret_ref)
        found.refuse()
        return self


class KeyParameter(_Parameter):
    """An API key."""

    value: KeyValue | None = None


class BasicParameter(_Parameter):
    """A user."""

    value: BasicValue | None = None


class JwtParameter(_Parameter):
    """Tokens."""

    value: JwtValue | None = None


class WolfParameter(_Parameter):
    """A wolf application."""

    value: WolfValue | None = None


class HmacParameter(_Parameter):
    """Signed requests."""

    value: HmacValue | None = None


class LdapParameter(_Parameter):
    """A directory."""

    value: LdapValue | None = None


class AuthParameter(Node):
    """How the consumer is known; the first that is set counts, in this order."""

    key_auth: KeyParameter | None = None
    basic_auth: BasicParameter | None = None
    jwt_auth: JwtParameter | None = None
    wolf_rbac: WolfParameter | None = Field(default=None, alias="wolfRBAC")
    hmac_auth: HmacParameter | None = None
    ldap_auth: LdapParameter | None = None


class ApisixConsumerSpec(Node):
    """Credentials, and the plugins that hold for the consumer's requests."""

    ingress_class_name: str = ""
    auth_parameter: AuthParameter | None = None
    plugins: Many[Plugin] = ()

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        found = Violations()
        is_set = self.auth_parameter is not None and any(
            getattr(self.auth_parameter, name) is not None for name in type(self.auth_parameter).model_fields
        )
        if not is_set and not any(plugin.name in AUTH_PLUGINS for plugin in self.plugins):
            found.add("one credential is required, here or in plugins", "authParameter", code="required")
        found.refuse()
        return self


class ApisixConsumer(Kind):
    """A consumer."""

    GROUP: ClassVar[str] = APISIX_GROUP
    KIND: ClassVar[str] = "ApisixConsumer"

    spec: ApisixConsumerSpec
