"""What one request's conversion works with, and what it hands to the adapter."""

from collections.abc import Callable, Mapping

import msgspec

from anygate.providers.formats import Backend, ClientFormat
from anygate.providers.losses import Loss, Losses
from anygate.providers.usage import Usage

Headers = list[tuple[str, str]]


class Upstream(msgspec.Struct, frozen=True):
    """The request to send to the backend. Credentials are not in it: Envoy adds them."""

    method: str
    path: str
    headers: Headers
    body: bytes
    stream: bool
    losses: tuple[Loss, ...] = ()


class Refusal(msgspec.Struct, frozen=True):
    """An answer to the client without asking the backend, in the client's format."""

    status: int
    headers: Headers
    body: bytes


class Setting:
    """One request's surroundings."""

    def __init__(
        self,
        client: ClientFormat,
        backend: Backend,
        headers: Mapping[str, str],
        now: int,
        new_id: Callable[[str], str],
    ) -> None:
        self.client = client
        self.backend = backend
        self.headers = headers
        self.now = now
        self.new_id = new_id
        self.losses = Losses()
        self.usage = Usage()
        self.model = ""
        self.counted = False
        self.answer_headers: dict[str, str] = {}

    def choose_model(self, model: str) -> str:
        """The model at the backend: the override, or the client's."""
        self.model = self.backend.model or model
        return self.model

    @property
    def request_id(self) -> str:
        """The upstream's own id of the request."""
        headers = self.answer_headers
        return headers.get("x-amzn-requestid") or headers.get("request-id") or headers.get("x-request-id") or ""
