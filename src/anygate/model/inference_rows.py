"""The rows of the route table that AI rules bring with them, besides their own.

Which rule takes an AI request depends on the model in its body. So every such request first meets an *entrance*, which
has the body read and the model put in a header; then the table is asked again. The rows of the rules hold only for
requests that have been through it: what a client sends in that header is removed before the table is asked.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

import msgspec

from anygate.model.edit import HeaderEdit, Respond
from anygate.model.inference import MODEL_HEADER, Inference
from anygate.model.inference_answers import STATUSES, Refused, refusal_text
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import HttpRoute, HttpRule
from anygate.model.security import Security

NAMELESS = "-"
"""Stands in the model's header for a body that names no model."""

MALFORMED = "!"
"""Stands in the model's header for a body that could not be read."""

CODING_HEADER = "content-encoding"

RESERVED = ("x-ai-eg-", "x-aigw-", "x-anygate-")
"""How headers begin that mean something to the gateway itself where AI requests pass; a client's are removed."""

Role = Literal[
    "",
    "reading",
    "entrance",
    "unprintable",
    "malformed",
    "encoded",
    "nameless",
    "unknown",
    "method",
    "unsupported",
]
"""What a row is for: a rule (""), having the body or its model read, or one of the answers in `inference_answers`."""

_READ = ValueMatch(name=MODEL_HEADER, kind="present")
# Tried on Envoy 1.40: a name with a control character goes into the header as it is, and Envoy then answers 503 instead
# of sending it on, whatever the route.
_UNPRINTABLE = ValueMatch(name=MODEL_HEADER, kind="regex", value=r"(?s).*[\x00-\x1f\x7f].*")
_MALFORMED = ValueMatch(name=MODEL_HEADER, value=MALFORMED)


class Asked(NamedTuple):
    """A path at which AI requests come in: the first rule that is about it, with its route."""

    path: str
    route: HttpRoute
    rule: HttpRule
    inference: Inference


def asked_paths(rules: Iterator[tuple[HttpRoute, HttpRule]]) -> dict[str, Asked]:
    """The paths at which AI requests come in, in the order of their rules."""
    found: dict[str, Asked] = {}
    for route, rule in rules:
        for match in rule.matches if rule.inference is not None else ():
            if match.path is not None and match.path.kind == "exact" and rule.inference is not None:
                found.setdefault(match.path.value, Asked(match.path.value, route, rule, rule.inference))
    return found


def asked_match(rule: HttpRule, match: HttpMatch | None) -> HttpMatch | None:
    """What a row of a rule asks for: an AI rule's takes only requests whose body has been read."""
    if rule.inference is None:
        return match
    if match is None:
        return HttpMatch(origin=rule.origin, headers=(_READ,))
    if any(value.name.lower() == MODEL_HEADER for value in match.headers):
        return match
    return msgspec.structs.replace(match, headers=(*match.headers, _READ))


GUARDED: tuple[Role, ...] = ("unprintable", "encoded", "malformed", "nameless", "unknown")
"""The rows that answer after the body was read, and so could tell strangers which models there are."""


def special_rule(asked: Asked, role: Role, security: Security | None = None) -> HttpRule:
    """The rule of a row that AI rules bring with them; `security` is what all AI rules of the path want."""
    origin = asked.rule.origin
    refused = refused_by(role)
    status = STATUSES[refused]
    respond = Respond(origin=origin, status=status, body=refusal_text(refused, "", asked.path), reason=REASONS[refused])
    allow = HeaderEdit(set=(("allow", "POST"),)) if role == "method" else None
    plain = None if role == "unsupported" else msgspec.structs.replace(asked.inference, costs=())
    return HttpRule(
        origin=origin,
        name=role,
        action=respond,
        response_headers=allow,
        inference=plain,
        security=security if role in GUARDED else None,
    )


def common_security(rules: Iterable[HttpRule]) -> Security | None:
    """What all AI rules among these want of a caller, where they all want the same."""
    found = [rule.security for rule in rules if rule.inference is not None]
    return found[0] if found and all(one == found[0] for one in found) else None


REASONS: Mapping[Refused, str] = {
    "malformed": "the body is not valid JSON, or not a form with one model",
    "encoded": "the body is compressed in a way that is not understood",
    "nameless": "the body names no model",
    "unknown": "no rule takes this model",
    "method": "the path takes only POST",
    "unsupported": "no route takes this path",
}
"""The same for people who read about a gateway rather than ask it."""


def special_match(origin: Origin, path: str, role: Role) -> HttpMatch:
    """What a row that AI rules bring with them asks for. Only an entrance can be met from outside at first."""
    exact = PathMatch(kind="exact", value=path)
    unread = ValueMatch(name=MODEL_HEADER, kind="present", invert=True)
    unnamed = ValueMatch(name=MODEL_HEADER, value=NAMELESS)
    packed = ValueMatch(name=CODING_HEADER, kind="present")
    if role == "entrance":
        return HttpMatch(origin=origin, path=exact, method="POST", headers=(unread,))
    if role == "unsupported":
        return HttpMatch(origin=origin, path=PathMatch(kind="prefix", value="/"))
    headers: dict[Role, tuple[ValueMatch, ...]] = {
        "unprintable": (_UNPRINTABLE,),
        "encoded": (_MALFORMED, packed),
        "malformed": (_MALFORMED,),
        "nameless": (unnamed,),
        "unknown": (_READ,),
    }
    return HttpMatch(origin=origin, path=exact, headers=headers.get(role, ()))


def refused_by(role: Role) -> Refused:
    """What a row says to what it takes. What an entrance leaves unread is nameless: an empty name."""
    if role == "unprintable":
        return "malformed"
    return "nameless" if not role or role == "entrance" or role == "reading" else role


def may_hold(match: PathMatch | None, path: str) -> bool:
    """Whether a condition on the path may hold for this one: surely not, or perhaps."""
    return match is None or match.kind == "regex" or match.holds(path)
