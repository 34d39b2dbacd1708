"""Headers for browsers on every answer, as the policy for other origins that comes nearest to them."""

import re
from datetime import timedelta

from anygate.dialects.gateway_api.write.findings import SETTING
from anygate.dialects.gateway_api.write.losses import Losses
from anygate.model.edit import Respond
from anygate.model.match import HttpMatch
from anygate.model.route import HttpRule
from anygate.model.security import Cors, CorsHeaders

_ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?(:[0-9]+)?")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"))


def read_cors(found: CorsHeaders, losses: Losses) -> Cors:
    """The policy that lets the same origins read answers; what it cannot say is named."""
    wanted = () if found.patterns else found.allow_origins
    if found.patterns:
        text = "origins that an expression takes have no place: browsers let none of them read answers"
        losses.add(SETTING, found.origin, text)
    any_origin = any(one in ("*", "**") for one in wanted)
    literals = tuple(one for one in wanted if _ORIGIN.fullmatch(one))
    lost = [one for one in wanted if one not in ("*", "**") and one not in literals]
    if lost:
        losses.add(SETTING, found.origin, f"the origin {lost[0]} has no place")
    if found.timing_origins or found.timing_patterns:
        losses.add(SETTING, found.origin, "Timing-Allow-Origin has no place")
    return Cors(
        origin=found.origin,
        allow_origins=("*",) if any_origin else literals,
        allow_methods=tuple(one for one in _items(found.allow_methods) if one == "*" or one in _METHODS),
        allow_headers=_items(found.allow_headers),
        expose_headers=_items(found.expose_headers),
        max_age=timedelta(seconds=found.max_age) if found.max_age > 0 else None,
        allow_credentials=found.allow_credentials,
    )


def answers_preflights(rule: HttpRule, match: HttpMatch | None) -> bool:
    """Whether a row is the answer to OPTIONS requests that comes with the headers: a policy gives it by itself."""
    is_answer = isinstance(rule.action, Respond) and (rule.action.status, rule.action.body) == (200, "")
    return is_answer and rule.cors_headers is not None and match is not None and match.method == "OPTIONS"


def _items(text: str) -> tuple[str, ...]:
    """A list in one text; `**` is any."""
    if text == "**":
        return ("*",)
    return tuple(dict.fromkeys(item.strip() for item in text.split(",") if item.strip()))
