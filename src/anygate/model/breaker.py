"""A breaker per resource: requests are refused for a while after a backend has failed."""

from datetime import timedelta

from anygate.model.origin import Node, Origin


class Breaker(Node, frozen=True):
    """Refuse requests for one host and path after `failures` answers with one of `failing` statuses.

    It stays open for two seconds, and after each further round of failures twice as long, up to `longest`. So many
    answers (`successes`) with one of `healthy` close it. Each worker of the proxy counts by itself.
    """

    origin: Origin
    status: int
    body: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    longest: timedelta = timedelta(seconds=300)
    failing: tuple[int, ...] = (500,)
    failures: int = 3
    healthy: tuple[int, ...] = (200,)
    successes: int = 3
