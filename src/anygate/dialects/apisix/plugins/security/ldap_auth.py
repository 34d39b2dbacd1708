"""ldap-auth: a user name and a password that a directory knows.

https://apisix.apache.org/docs/apisix/plugins/ldap-auth/
"""

from collections.abc import Sequence

from pydantic import Field

from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.changes import with_check
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.security.recognition import by_credential, keep_out
from anygate.model.checks import LdapCheck
from anygate.model.route import HttpRule
from anygate.urls import split_url

_PORT, _TLS_PORT = 389, 636
_SCHEMES = ("ldap", "ldaps")


class LdapAuthConfig(Config):
    """Where the directory is, and where in it users are."""

    base_dn: str = Field(min_length=1)
    ldap_uri: str = Field(min_length=1)
    use_tls: bool = False
    tls_verify: bool = False
    uid: str = Field(default="cn", pattern=r"^([A-Za-z][A-Za-z0-9-]*|[0-9]+(\.[0-9]+)*)$")
    realm: str = "ldap"


class LdapAuth:
    """The directory is asked by our own service."""

    name = "ldap-auth"
    config = LdapAuthConfig
    is_guard = True

    def apply(
        self, config: LdapAuthConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Want the name and the password of a user who is a consumer."""
        place = _parse_address(config.ldap_uri)
        if place is None:
            text = f'"{config.ldap_uri}" is no address of a directory'
            return Refusal(PLUGIN_CONFIG, text, "write HOST:PORT", ("ldap_uri",))
        users = by_credential(surroundings, "ldapAuth", "user_dn", lambda one: str(one.credential.user_dn))
        if not users:
            return keep_out(rule, self.name, "is a user of a directory", surroundings)
        scheme, host, port = place
        tls = config.use_tls or scheme == "ldaps"
        check = LdapCheck(
            origin=surroundings.origin,
            host=host,
            port=port or (_TLS_PORT if tls else _PORT),
            base_dn=config.base_dn,
            attribute=config.uid,
            users=tuple((name, consumer.id) for name, consumer in sorted(users.items())),
            header=CALLER,
            challenge=f'Basic realm="{config.realm}"',
            tls=tls,
            verify=config.tls_verify,
        )
        return (with_check(rule, check),)


def _parse_address(text: str) -> tuple[str, str, int] | None:
    """The scheme, the host and the port (0 if there is none) of an address, which needs no scheme."""
    found = split_url(text if "://" in text else f"ldap://{text}")
    if found.scheme not in _SCHEMES or not found.hostname or found.path.strip("/") or found.username is not None:
        return None
    return found.scheme, found.hostname, found.port or 0
