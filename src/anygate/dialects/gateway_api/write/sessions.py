"""Session persistence of a rule."""

from typing import Any

from anygate.dialects.gateway_api.write.words import given, span
from anygate.model.route import Session


def write_session(found: Session) -> dict[str, Any]:
    """Keep a client on one endpoint by a cookie or a header."""
    lifetime = "Permanent" if found.permanent else None
    return given(
        type=found.kind.capitalize(),
        session_name=found.name,
        absolute_timeout=span(found.absolute_timeout),
        idle_timeout=span(found.idle_timeout),
        cookie_config=given(lifetime_type=lifetime),
    )
