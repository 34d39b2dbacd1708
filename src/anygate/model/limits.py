"""Rate limits and injected faults."""

from datetime import timedelta
from typing import Literal

from anygate.model.match import PathMatch, ValueMatch
from anygate.model.origin import Node, Origin


class Faults(Node, frozen=True):
    """Delays and aborts for a percentage (0 to 100) of requests; `grpc_status` aborts gRPC calls."""

    origin: Origin
    delay: timedelta | None = None
    delay_percent: float = 100.0
    abort_status: int | None = None
    grpc_status: int | None = None
    abort_percent: float = 100.0


class MetadataNumber(Node, frozen=True):
    """A number that stands in a request's dynamic metadata.

    In the namespace `io.envoy.ai_gateway` the keys are those of the costs of the rule (`Inference.costs`).
    """

    namespace: str
    key: str


class Expression(Node, frozen=True):
    """A number worked out as that of a `Cost` is."""

    expression: str


class LimitSelector(Node, frozen=True):
    """Which requests one limit counts, and apart by what: each value of a header or parameter, or client address.

    The methods are alternatives; `other_methods`, `other_path` and `other_addresses` turn a condition around.
    """

    headers: tuple[ValueMatch, ...] = ()
    distinct_headers: tuple[str, ...] = ()
    query: tuple[ValueMatch, ...] = ()
    distinct_query: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    other_methods: bool = False
    path: PathMatch | None = None
    other_path: bool = False
    cidr: str = ""
    other_addresses: bool = False
    distinct_addresses: bool = False


class LimitRule(Node, frozen=True):
    """At most `requests` per `unit` for the requests that every selector matches.

    It is counted in each Envoy by itself (`local`) or by the rate-limit service (`global`). A request takes
    `request_cost`, where 0 only looks whether anything is left, and its answer takes `response_cost`. `limit_from` is
    where a request may carry another limit. All rules of routes that a `shared` limit holds for have one counter,
    otherwise each has its own. In `shadow` mode nothing is refused. `headers` tells clients what is left; None leaves
    that to the server. When the service cannot be asked, requests pass unless the limit is `fail_closed`.

    `name` names the counter; without one it is called after its place. With `backends` (names of the model's) it is a
    quota of theirs: only answers that come from one of them take anything, and when nothing is left it is those
    backends that are left out, so that a request can go to another one.
    """

    origin: Origin
    requests: int
    unit: timedelta
    name: str = ""
    scope: Literal["local", "global"] = "local"
    selectors: tuple[LimitSelector, ...] = ()
    shadow: bool = False
    shared: bool = False
    request_cost: int | MetadataNumber = 1
    response_cost: MetadataNumber | Expression | int = 0
    limit_from: MetadataNumber | None = None
    headers: bool | None = None
    fail_closed: bool = False
    backends: tuple[str, ...] = ()


class RateLimit(Node, frozen=True):
    """Limits for a rule."""

    origin: Origin
    rules: tuple[LimitRule, ...] = ()

    @property
    def is_global(self) -> bool:
        """Whether the rate-limit service has to be asked."""
        return any(rule.scope == "global" for rule in self.rules)
