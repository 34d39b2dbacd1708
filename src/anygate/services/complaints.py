"""What people who run a gateway are told by a service of it, once and then every hundredth time."""

import sys

_EVERY = 100


class Complaints:
    """Counts what goes wrong, so that something that fails with each request does not fill the log."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}

    def tell(self, text: str) -> None:
        """Say it on the output that `run` passes on."""
        self._told[text] = self._told.get(text, 0) + 1
        if self._told[text] % _EVERY == 1:
            print(f"warning: {text}", file=sys.stderr, flush=True)
