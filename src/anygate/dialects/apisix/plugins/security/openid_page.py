"""What openid-connect answers to whom it does not let in."""

from typing import Literal

from anygate.dialects.apisix.plugins.nginx_pages import CONTENT_TYPE, render_page
from anygate.model.wording import Wording


def say_page(cause: Literal["login_missing", "token_missing", "token_wrong"], challenge: str = "") -> Wording:
    """APISIX's page, also where Envoy would answer 403, as it does to a token for another audience."""
    return Wording(cause=cause, body=render_page(401), status=401, content_type=CONTENT_TYPE, challenge=challenge)
