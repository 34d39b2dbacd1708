"""What a gRPC service is to the server that runs it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import grpc


class Service(Protocol):
    """One gRPC service: its full name, its methods on raw messages, and what it opens and closes."""

    @property
    def name(self) -> str:
        """The full name, such as `envoy.service.ratelimit.v3.RateLimitService`."""
        ...

    def methods(self) -> "Mapping[str, grpc.RpcMethodHandler]":
        """Return how each method is answered; requests and responses are bytes."""
        ...

    async def open(self) -> None:
        """Get ready. Called once, before the first call; raises EnvironmentProblem if it cannot."""
        ...

    async def close(self) -> None:
        """Finish what is under way. Called once, when no call will come any more."""
        ...
