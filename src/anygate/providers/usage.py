"""Token counts of one exchange, normalised over the vendors."""

import msgspec


class Usage(msgspec.Struct):
    """What the provider reported; None means it did not say.

    `input` counts every prompt token, cache reads and cache writes included, for all vendors. The OpenAI and Gemini
    prompt counts already are that sum; Anthropic and Bedrock report the three disjointly, so their readers add them up.
    """

    input: int | None = None
    output: int | None = None
    total: int | None = None
    cached: int | None = None
    cache_creation: int | None = None
    reasoning: int | None = None

    @property
    def known(self) -> bool:
        """Whether the provider reported anything to bill by."""
        return self.input is not None or self.output is not None

    @property
    def sum(self) -> int:
        """The provider's total, or input plus output where it sends none."""
        return self.total if self.total is not None else (self.input or 0) + (self.output or 0)

    def replace_with(self, other: "Usage") -> None:
        """Take over every count that `other` knows: stream usage is cumulative, so the newest value wins."""
        if other.input is not None:
            self.input = other.input
        if other.output is not None:
            self.output = other.output
        if other.total is not None:
            self.total = other.total
        if other.cached is not None:
            self.cached = other.cached
        if other.cache_creation is not None:
            self.cache_creation = other.cache_creation
        if other.reasoning is not None:
            self.reasoning = other.reasoning
