"""Who decides what a stub answers: the connections only carry it."""

from typing import Protocol

from anygate.stubs.echo import Answer, Backend, EchoRequest, ReceivedBody, build_answer, build_refusal


class Answerer(Protocol):
    """Turns a request into an answer, without I/O."""

    @property
    def keeps(self) -> int:
        """How many bytes of a request body are to be kept for it."""

    @property
    def echoes(self) -> bool:
        """Whether gRPC calls and upgrades (WebSocket, h2c) are echoed without asking it."""

    def answer(self, backend: Backend, request: EchoRequest, body: ReceivedBody) -> Answer:
        """Return the answer to a whole request."""

    def refuse(self, backend: Backend, status: int, reason: str) -> Answer:
        """Return the answer to bytes that are no request."""


class Echo:
    """Says what arrived."""

    keeps = 0
    echoes = True

    def answer(self, backend: Backend, request: EchoRequest, body: ReceivedBody) -> Answer:
        """Return the request itself, as JSON."""
        return build_answer(backend, request, body)

    def refuse(self, backend: Backend, status: int, reason: str) -> Answer:
        """Return the reason, as JSON."""
        return build_refusal(backend, status, reason)


ECHO = Echo()
