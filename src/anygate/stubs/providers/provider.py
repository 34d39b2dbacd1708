"""What each simulated vendor must be able to do."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.outcome import Outcome
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.providers.tokens import PrefixCache
from anygate.stubs.vendor import Vendor

LARGEST_BODY = 32 * 1_048_576
INVALID_KEY = "invalid-key"  # a credential that every vendor refuses

Endpoint = Callable[[Call, re.Match[str]], Outcome]
Route = tuple[str, re.Pattern[str], Endpoint]


class Provider(ABC):
    """One vendor's API behind one backend; it remembers the prompt prefixes it has seen."""

    vendor: Vendor

    def __init__(self, *, is_open: bool = False) -> None:
        self.is_open = is_open
        self.cache = PrefixCache()

    def answer(self, call: Call) -> Outcome:
        """Answer a request or raise the `Rejection` that says why not."""
        methods: list[str] = []
        for method, pattern, endpoint in self.routes():
            match = pattern.fullmatch(call.path)
            if match is None:
                continue
            if method != call.method:
                methods.append(method)
                continue
            if not self.is_open:
                self.check_credentials(call)
            if len(call.body) > LARGEST_BODY:
                raise self.reject_status(413, call)
            try:
                return endpoint(call, match)
            except FieldFault as fault:
                raise self.reject_field(fault, call) from None
        raise self.reject_route(call, tuple(methods))

    @abstractmethod
    def routes(self) -> tuple[Route, ...]:
        """Return every method, path and endpoint."""

    @abstractmethod
    def check_credentials(self, call: Call) -> None:
        """Raise the vendor's `Rejection` when the credentials are missing or refused."""

    @abstractmethod
    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return the error of an unknown path, or of a known one that takes only `methods`."""

    @abstractmethod
    def reject_field(self, fault: FieldFault, call: Call) -> Rejection:
        """Return the error of a field."""

    @abstractmethod
    def reject_status(self, status: int, call: Call) -> Rejection:
        """Return the error that the vendor gives with `status`."""

    @abstractmethod
    def render_error(self, rejection: Rejection, call: Call | None) -> bytes:
        """Return the body of an error, as JSON."""

    def list_headers(self, call: Call, rejection: Rejection | None) -> tuple[tuple[str, str], ...]:
        """Return the headers that the vendor adds to an answer."""
        return ()
