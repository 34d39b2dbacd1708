"""How refusals read, where a gateway has words of its own for them."""

from typing import Literal

from anygate.model.origin import Node

PLAIN_TEXT = "text/plain; charset=utf-8"

Cause = Literal[
    "key_missing",
    "key_unknown",
    "password_missing",
    "password_wrong",
    "password_elsewhere",
    "password_unreadable",
    "token_missing",
    "token_wrong",
    "login_missing",
    "scope_missing",
    "audience_wrong",
    "denied",
    "body_too_large",
]
"""Why a request is refused; `denied` by a rule of an `Authorization`, `password_elsewhere` because of a credential that
is not of the scheme Basic."""


class Wording(Node, frozen=True):
    """The answer to a request that is refused for a `cause`; `rule` names the `AuthorizationRule` that denied it.

    Without a `status` the refusal keeps its own. `challenge` is the value of `WWW-Authenticate`.
    """

    cause: Cause
    body: str
    rule: str = ""
    status: int | None = None
    content_type: str = PLAIN_TEXT
    challenge: str = ""
