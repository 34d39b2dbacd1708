"""Routes: which request goes to which backend, and what happens to it on the way."""

from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction
from typing import Literal

from anygate.model.answers import AnswerEdit
from anygate.model.breaker import Breaker
from anygate.model.cache import Cache
from anygate.model.compression import Compression
from anygate.model.edit import HeaderEdit, Redirect, Respond, Rewrite
from anygate.model.inference import Inference
from anygate.model.limits import Faults, RateLimit
from anygate.model.match import HttpMatch
from anygate.model.mcp import Mcp
from anygate.model.origin import Node, Origin
from anygate.model.prompts import Prompts
from anygate.model.request_id import RequestId
from anygate.model.retry import Retry
from anygate.model.security import Cors, CorsHeaders, Security
from anygate.model.telemetry import Metering, Trace
from anygate.model.wasm import WasmPlugin
from anygate.model.wording import Wording


class Mirror(Node, frozen=True):
    """A copy of the request sent to `backend`, whose answer is dropped; `share` of the requests, 0 to 1.

    With a `stage` it goes there first, by a rule that makes of it what the backend takes.
    """

    origin: Origin
    backend: str
    stage: str = ""
    numerator: int = 100
    denominator: int = 100

    @property
    def share(self) -> Fraction:
        """The share of requests that are copied."""
        return Fraction(self.numerator, self.denominator)


class BackendTarget(Node, frozen=True):
    """One weighted destination of a rule.

    `backend` names a `Backend` of the model; empty means that the reference could not be resolved, and its
    share of the traffic is answered with 500 for HTTP and refused for streams (`reason` says why).
    The edits, the rewrite and the redirect hold for this share of the traffic only. Targets of the lowest `priority`
    are used first, the next ones by tries that follow a failed one. `translated` says that the backend speaks
    another format than the clients of this rule, so that requests go through the adapter. Where there are priorities
    it is tried `tries` times before the next one.
    """

    origin: Origin
    backend: str = ""
    weight: int = 1
    reason: str = ""
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None
    rewrite: Rewrite | None = None
    redirect: Redirect | None = None
    mirrors: tuple[Mirror, ...] = ()
    priority: int = 0
    translated: bool = False
    tries: int = 1


class Forward(Node, frozen=True):
    """Send the request to one of the targets, chosen by weight. No usable target answers 500."""

    origin: Origin
    targets: tuple[BackendTarget, ...] = ()


class Continue(Node, frozen=True):
    """Go on to the `Stage` of this name: its rules decide, by the host and the path that this rule's rewrite makes."""

    origin: Origin
    stage: str


class Session(Node, frozen=True):
    """Keep a client on one endpoint. The token travels in a cookie or a header of the given name."""

    origin: Origin
    kind: Literal["cookie", "header"]
    name: str
    path: str = "/"
    permanent: bool = False
    absolute_timeout: timedelta | None = None
    idle_timeout: timedelta | None = None


class Timeouts(Node, frozen=True):
    """`None` leaves the proxy's default; zero switches a limit off.

    `request` bounds the whole exchange, `attempt` one try until its answer begins, `attempt_idle` silence within
    one try, `stream_idle` silence on a stream, `max_stream` the life of a stream whatever happens on it. `whole` bounds
    the exchange of AI requests whose answer is not to come as a stream.
    """

    request: timedelta | None = None
    attempt: timedelta | None = None
    attempt_idle: timedelta | None = None
    stream_idle: timedelta | None = None
    max_stream: timedelta | None = None
    whole: timedelta | None = None


class HashPolicy(Node, frozen=True):
    """What consistent hashing hashes: the client's address, a header, a cookie or a query parameter."""

    kind: Literal["source_ip", "header", "cookie", "query"]
    name: str = ""
    ttl: timedelta | None = None
    attributes: tuple[tuple[str, str], ...] = ()


class Credential(Node, frozen=True):
    """A credential put on requests to the backend; `secret` names a generic `Secret` of the model."""

    origin: Origin
    secret: str
    header: str = "Authorization"
    overwrite: bool = False


class HttpRule(Node, frozen=True):
    """One rule of a route: any of `matches` (none: everything) leads to `action`.

    With `hashes_targets` its `hash_policies` choose the target too, by weight, where a request has anything to hash.
    """

    origin: Origin
    name: str
    action: Forward | Redirect | Respond | Continue
    matches: tuple[HttpMatch, ...] = ()
    request_headers: HeaderEdit | None = None
    response_headers: HeaderEdit | None = None
    rewrite: Rewrite | None = None
    mirrors: tuple[Mirror, ...] = ()
    timeouts: Timeouts = Timeouts()
    retry: Retry | None = None
    session: Session | None = None
    hash_policies: tuple[HashPolicy, ...] = ()
    hashes_targets: bool = False
    cors: Cors | None = None
    cors_headers: CorsHeaders | None = None
    security: Security | None = None
    faults: Faults | None = None
    rate_limit: RateLimit | None = None
    request_buffer: int | None = None
    inject: Credential | None = None
    upgrades: tuple[str, ...] = ("websocket",)
    wordings: tuple[Wording, ...] = ()
    inference: Inference | None = None
    prompts: Prompts | None = None
    mcp: Mcp | None = None
    answers: tuple[AnswerEdit, ...] = ()
    breaker: Breaker | None = None
    cache: Cache | None = None
    compression: Compression | None = None
    request_id: RequestId | None = None
    plugins: tuple[WasmPlugin, ...] = ()
    metering: Metering | None = None
    trace: Trace | None = None


def list_backends(rule: HttpRule) -> Iterator[str]:
    """The names of all backends that a rule refers to, for whatever purpose; empty for one that is not there."""
    if isinstance(rule.action, Forward):
        for target in rule.action.targets:
            yield target.backend
            yield from (mirror.backend for mirror in target.mirrors)
    yield from (mirror.backend for mirror in rule.mirrors)
    security = rule.security
    if security is None:
        return
    if security.ext_auth is not None:
        yield security.ext_auth.backend
    if security.forward_auth is not None:
        yield security.forward_auth.backend
    if security.oidc is not None:
        yield from filter(None, (security.oidc.token_backend, security.oidc.userinfo_backend))
    if security.introspection is not None:
        yield security.introspection.backend
    if security.jwt is not None:
        yield from (provider.jwks_backend for provider in security.jwt.providers)


class HttpRoute(Node, frozen=True):
    """Rules for some hostnames (none: every hostname of the server it is attached to).

    `created` is the object's creation time or empty; the older route wins a tie.
    """

    origin: Origin
    name: str
    kind: str = "HTTPRoute"
    hostnames: tuple[str, ...] = ()
    rules: tuple[HttpRule, ...] = ()
    created: str = ""


class StreamRoute(Node, frozen=True):
    """A route for bytes: TCP, UDP, or TLS chosen by the server name (`hostnames`, none: every name).

    Connections from outside of `allowed_sources`, where there are any, or from inside of `denied_sources` are closed,
    and so are those beyond `connection_limit` at a time.
    """

    origin: Origin
    name: str
    kind: str
    targets: tuple[BackendTarget, ...] = ()
    hostnames: tuple[str, ...] = ()
    created: str = ""
    idle_timeout: timedelta | None = None
    rule: str = ""
    allowed_sources: tuple[str, ...] = ()
    denied_sources: tuple[str, ...] = ()
    connection_limit: int | None = None
