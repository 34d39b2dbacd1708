"""The stubs' rule for counting tokens, and their memory of prompts they have seen.

A text counts one token for every four characters begun, an image or file 258. Real tokenizers differ; a rule that
a test can work out by hand is worth more here than one that is close.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

ATTACHMENT_TOKENS = 258

_MOST_PREFIXES = 1000


def count_tokens(text: str) -> int:
    """Return how many tokens `text` counts."""
    return (len(text) + 3) // 4


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a prompt, in the order in which the model reads it."""

    role: str
    text: str
    tokens: int
    is_marked: bool = False  # the client asked to cache everything up to here


@dataclass(frozen=True, slots=True)
class CacheShare:
    """How much of a prompt came from the cache and how much went into it."""

    read: int = 0
    written: int = 0


class PrefixCache:
    """Remembers the last 1000 prompt prefixes, per model."""

    def __init__(self) -> None:
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def measure(self, model: str, segments: Iterable[Segment], *, automatic: int | None = None) -> CacheShare:
        """Return what is cached of `segments` and remember them.

        Only marked prefixes count; with `automatic` every prefix of at least so many tokens does.
        """
        running = hashlib.sha256(model.encode("utf-8", "surrogatepass"))
        total = read = marked = 0
        for segment in segments:
            running.update(f"\0{segment.role}\0{len(segment.text)}\0{segment.text}".encode("utf-8", "surrogatepass"))
            total += segment.tokens
            if segment.is_marked or (automatic is not None and total >= automatic):
                marked = total
                if self._remember(running.digest()):
                    read = total
        return CacheShare(read, marked - read)

    def _remember(self, prefix: bytes) -> bool:
        known = prefix in self._seen
        self._seen[prefix] = None
        self._seen.move_to_end(prefix)
        if len(self._seen) > _MOST_PREFIXES:
            self._seen.popitem(last=False)
        return known
