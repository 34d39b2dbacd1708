"""What `explain` answers: plain values with stable names, rendered as text or JSON."""

from typing import Literal

import msgspec


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A frozen value of the answer."""


class Step(Part, frozen=True):
    """One decision on the way: what was chosen, where it was written, and what decided."""

    kind: Literal[
        "listener",
        "server",
        "hostname",
        "route",
        "model",
        "body",
        "rule",
        "caller",
        "stage",
        "backend",
        "stream",
    ]
    name: str
    place: str = ""
    text: str = ""


class Applied(Part, frozen=True):
    """Something that happens to the request on its way: authentication, header changes, a timeout."""

    kind: str
    text: str
    place: str = ""


class HeaderChange(Part, frozen=True):
    """A request header that the backend sees otherwise than the client sent it."""

    change: Literal["set", "add", "remove"]
    name: str
    value: str = ""


class Upstream(Part, frozen=True):
    """The request that a backend receives. An empty `host` is known once an endpoint is chosen."""

    method: str
    path: str
    host: str
    headers: tuple[HeaderChange, ...] = ()


class Share(Part, frozen=True):
    """One target and its percentage of such requests; with a `status` they are answered, not sent on.

    One of a higher `priority` gets only what failed at the others. `provider` is there for a model provider.
    """

    name: str
    percent: float
    place: str = ""
    endpoints: tuple[str, ...] = ()
    upstream: Upstream | None = None
    status: int | None = None
    location: str = ""
    reason: str = ""
    notes: tuple[Applied, ...] = ()
    priority: int = 0
    provider: "ProviderShare | None" = None

    @property
    def title(self) -> str:
        """What people call it: a backend of the model holds for one use of a provider, and its name is long."""
        return self.provider.name if self.provider else self.name


class ProviderShare(Part, frozen=True):
    """How a model provider is asked: in its format, for the client's model or for another one.

    `translated` says that requests and answers are converted on the way.
    """

    name: str
    format: str
    model: str = ""
    translated: bool = False


class Decision(Part, frozen=True):
    """How it ends. `status` is what the gateway itself answers, None when the backend answers.

    `kind` is `none` when no HTTP answer comes at all: nothing listens there, or the connection is refused.
    """

    kind: Literal["forward", "redirect", "respond", "none"]
    status: int | None = None
    reason: str = ""
    location: str = ""
    body: str = ""
    content_type: str = ""


class NearMiss(Part, frozen=True):
    """What almost decided: a rule, a hostname, a port or a scheme, and what kept it from doing so."""

    kind: Literal["rule", "hostname", "port", "scheme"]
    name: str
    text: str
    place: str = ""
    failed: int = 1


class Explanation(Part, frozen=True):
    """Why a request goes where it goes.

    `host` and `path` are what routing sees; `notes` are doubts and surprises.
    """

    method: str
    url: str
    host: str
    path: str
    decision: Decision
    steps: tuple[Step, ...] = ()
    applied: tuple[Applied, ...] = ()
    targets: tuple[Share, ...] = ()
    near_misses: tuple[NearMiss, ...] = ()
    notes: tuple[str, ...] = ()
