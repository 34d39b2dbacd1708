"""Which security of a rule a SecurityPolicy can say, once it is folded; and what stands for what it cannot."""

from anygate.model.folded_authorization import is_turned
from anygate.model.security import Authorization, Security


def is_sayable(found: Security) -> bool:
    """Whether a SecurityPolicy, once its authorization is folded, lets in nobody who had to stay outside."""
    rows = found.authorization.rules if found.authorization is not None else ()
    keys = found.jwt.providers if found.jwt is not None else ()
    return (
        found.admission is None
        and found.caller is None
        and not found.checks
        and found.forward_auth is None
        and found.introspection is None
        and not any(is_turned(row.principal) or row.other_methods for row in rows)
        and all(one.jwks or one.jwks_uri for one in keys)
        and (found.oidc is None or found.oidc.when_missing == "login")
    )


def close(found: Security) -> Security:
    """A security that lets nobody in."""
    return Security(origin=found.origin, authorization=Authorization(origin=found.origin))
