"""What becomes of a request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import msgspec

from anygate.model.wording import PLAIN_TEXT
from anygate.services.checks.asked import Asked


class Passed(NamedTuple):
    """It goes on, with headers that take the place of those it has, and without the `removed` ones."""

    headers: Mapping[str, str] = {}
    removed: tuple[str, ...] = ()


class Refused(NamedTuple):
    """It is answered by us: `words` become an object of JSON, as APISIX writes it."""

    status: int
    words: Mapping[str, object]
    headers: Mapping[str, str] = {}

    @property
    def body(self) -> str:
        """The body of the answer."""
        return msgspec.json.encode(self.words).decode() + "\n"


@dataclass
class Verdict:
    """What all checks together say; `answer` are headers of the answer, whoever gives it."""

    headers: dict[str, str] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    answer: list[tuple[str, str]] = field(default_factory=list)
    refused: Refused | None = None

    def add(self, found: Passed | Refused) -> None:
        """Take what one check says; a later one may overrule what an earlier one has set."""
        if isinstance(found, Refused):
            self.refused = found
            self.answer.append(("content-type", PLAIN_TEXT))
            self.answer += found.headers.items()
        else:
            self.removed |= {name.lower() for name in found.removed}
            self.headers |= {name.lower(): value for name, value in found.headers.items()}


class RequestCheck(Protocol):
    """One check of a rule."""

    async def ask(self, asked: Asked, verdict: Verdict) -> None:
        """Say what becomes of a request."""
        ...
