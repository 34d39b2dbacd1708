"""Rate limits and injected faults."""

from datetime import timedelta
from typing import Literal

from anygate.model.match import PathMatch, ValueMatch
from anygate.model.origin import Node, Origin
from anygate.model.text import Text


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
    """A number worked out as that of a `Cost` is.

    Where nobody says what an answer has used, as when a client hangs up, the counts are zero, or, if they are to be
    `estimated`, what its size and that of the request suggest.
    """

    expression: str
    estimated: bool = False


class LimitSelector(Node, frozen=True):
    """Which requests one limit counts, and apart by what: each value of a header or parameter, or client address.

    `distinct_text` counts each value of a text apart; a request that has none of its variables counts for its client.
    `distinct_callers` counts apart by the credential that a request carries (a bearer token, `x-api-key`, `api-key` or
    the name of basic authentication), by the user that its body, its token or a check of ours names, or by the model
    that it asks for; those that carry none count together.
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
    distinct_text: Text | None = None
    distinct_callers: Literal["", "credential", "user", "model"] = ""


class LimitAnswer(Node, frozen=True):
    """What clients are told of a limit: what a refused one is answered, and in which headers all see its state.

    `headers` name those of the limit, of what is left and of the seconds until it is whole again. `error_status`
    answers requests that cannot be counted, where the limit is `fail_closed`.

    Of several limits with `retry_headers` the `headers` tell of the one that has the least left, and the former when a
    refused request may come again. `warning` is a header with its value for answers to requests that are over the
    limit and pass all the same. Calls of gRPC are refused with RESOURCE_EXHAUSTED if `exhausted`, else with
    UNAVAILABLE.
    """

    status: int = 429
    body: str = ""
    content_type: str = ""
    headers: tuple[str, str, str] | None = None
    error_status: int = 500
    retry_headers: tuple[str, ...] = ()
    warning: tuple[str, str] | None = None
    exhausted: bool = False


class LimitRule(Node, frozen=True):
    """At most `requests` per `unit` for the requests that every selector matches.

    It is counted in each Envoy by itself (`local`) or by the rate-limit service (`global`). A request takes
    `request_cost`, where 0 only looks whether anything is left, and its answer takes `response_cost`. `limit_from` is
    where a request may carry another limit. All rules of routes that a `shared` limit holds for have one counter,
    otherwise each has its own. In `shadow` mode nothing is refused. `headers` tells clients what is left; None leaves
    that to the server. When the service cannot be asked, requests pass unless the limit is `fail_closed`.

    `window` says how it is counted: `fixed` from one multiple of `unit` to the next, `started` for a `unit` from a
    first request on, `sliding` over the `unit` before each request. `leaky` lets one request pass per `unit` and
    `requests` more ahead of their time, which with `smooth` wait until it has come. `concurrent` counts requests that
    have not ended; those beyond `calm` wait for `delay`, for each `calm` of them. A request that is over a `queued`
    limit waits for its turn, up to five seconds and behind those that came before it. With `reserves` the most tokens
    that a request asks for are taken with it, and given back when its answer is charged. All but `fixed` windows and
    `answer` are for limits of the service.

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
    window: Literal["fixed", "started", "sliding", "leaky", "concurrent"] = "fixed"
    smooth: bool = False
    calm: int = 0
    delay: timedelta = timedelta()
    queued: bool = False
    reserves: bool = False
    answer: LimitAnswer | None = None


class RateLimit(Node, frozen=True):
    """Limits for a rule."""

    origin: Origin
    rules: tuple[LimitRule, ...] = ()

    @property
    def is_global(self) -> bool:
        """Whether the rate-limit service has to be asked."""
        return any(rule.scope == "global" for rule in self.rules)
