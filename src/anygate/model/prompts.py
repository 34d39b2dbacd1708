"""Prompts: what is asked of a request's messages, and what they become before a model gets them."""

from typing import Literal, NamedTuple

from anygate.model.origin import Node, Origin


class PromptMessage(Node, frozen=True):
    """A message of somebody's, in the words of chat APIs."""

    role: Literal["system", "user", "assistant"]
    content: str


class PromptPart(Node, frozen=True):
    """A stretch of a template: JSON text, or the value at a `path` of the request's body, as text in a JSON string."""

    text: str = ""
    path: tuple[str, ...] = ()


class PromptTemplate(Node, frozen=True):
    """A body that a request asks for by its name, in the member `template_name` of its own."""

    name: str
    parts: tuple[PromptPart, ...]


class Refusals(NamedTuple):
    """How refusals of a guard are called, by which wordings find them (`Wording.rule`): its texts could not be read, no
    pattern allows them, or one denies them. The names are in the order in which they are looked for."""

    unread: str
    not_allowed: str
    denied: str


class PromptGuard(Node, frozen=True):
    """Refuses requests by their texts: those in which no pattern of `allow` is found, where it has any, and those in
    which one of `deny` is.

    Patterns are RE2. They are asked of the last message of a user; with `all_roles` of the last one of anybody, with
    `whole_history` of all of them together.
    """

    origin: Origin
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    all_roles: bool = False
    whole_history: bool = False


def refusals_of(number: int) -> Refusals:
    """The names of the refusals of a rule's guard by its place among them."""
    return Refusals(f"prompt-{number}-1-unread", f"prompt-{number}-2-not-allowed", f"prompt-{number}-3-denied")


class PromptDecoration(Node, frozen=True):
    """Messages around those of the request."""

    origin: Origin
    prepend: tuple[PromptMessage, ...] = ()
    append: tuple[PromptMessage, ...] = ()


class Prompts(Node, frozen=True):
    """What becomes of a rule's prompts: a template is filled in, the guards are asked, then the messages are decorated.

    Where there are `templates`, every request has to name one of them. A body that is no JSON object is refused.
    """

    origin: Origin
    templates: tuple[PromptTemplate, ...] = ()
    guards: tuple[PromptGuard, ...] = ()
    decorations: tuple[PromptDecoration, ...] = ()
