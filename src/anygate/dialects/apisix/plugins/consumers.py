"""What backends are told about consumers, and which plugins say who they are."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.apisix.plugins.plugin import Consumer, Surroundings

CALLER = "x-consumer-username"
"""The header with a consumer's id."""

CALLER_HEADERS = (CALLER, "x-credential-identifier", "x-consumer-custom-id")
"""What only the gateway may say about consumers; every server takes them off what clients send."""

CHECKED_BY: Mapping[str, str] = MappingProxyType(
    {
        "keyAuth": "key-auth",
        "basicAuth": "basic-auth",
        "jwtAuth": "jwt-auth",
        "wolfRBAC": "wolf-rbac",
        "hmacAuth": "hmac-auth",
        "ldapAuth": "ldap-auth",
    }
)
"""The plugin that looks at a kind of credential."""

USER = "x-anygate-user"
"""Where the name of a user stands until it is known whose it is."""


def find_consumer(surroundings: Surroundings, name: str) -> Consumer | None:
    """The consumer that is called so in any of the ways in which releases of the controller call it."""
    return next((one for one in surroundings.consumers if name in (one.id, *one.names)), None)
