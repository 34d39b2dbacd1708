"""Cohere as a whole: its paths, its token, its errors."""

import re

from anygate.stubs.providers.call import Call
from anygate.stubs.providers.cohere import errors
from anygate.stubs.providers.cohere.chat import answer_chat
from anygate.stubs.providers.cohere.vectors import answer_embed, answer_rerank
from anygate.stubs.providers.fields import FieldFault
from anygate.stubs.providers.provider import INVALID_KEY, Provider, Route
from anygate.stubs.providers.rejection import Rejection
from anygate.stubs.vendor import Vendor


class Cohere(Provider):
    """https://docs.cohere.com/reference/about."""

    vendor: Vendor = "cohere"

    def __init__(self, *, is_open: bool = False, prefix: str = "v2") -> None:
        super().__init__(is_open=is_open)
        root = f"/{re.escape(prefix.strip('/'))}"
        self._routes: tuple[Route, ...] = (
            ("POST", re.compile(f"{root}/chat"), lambda call, _: answer_chat(call)),
            ("POST", re.compile(f"{root}/rerank"), lambda call, _: answer_rerank(call)),
            ("POST", re.compile(f"{root}/embed"), lambda call, _: answer_embed(call)),
        )

    def routes(self) -> tuple[Route, ...]:
        """Return the paths under the prefix."""
        return self._routes

    def check_credentials(self, call: Call) -> None:
        """Require a bearer token."""
        kind, _, token = call.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token.strip():
            raise errors.reject("no api key supplied", 401)
        if token.strip() == INVALID_KEY:
            raise errors.reject("invalid api token", 401)

    def reject_route(self, call: Call, methods: tuple[str, ...]) -> Rejection:
        """Return 405 where another method would do, 404 elsewhere."""
        if methods:
            return errors.reject("method not allowed", 405)
        return errors.reject("404 page not found", 404)

    def reject_field(self, fault: FieldFault, call: Call) -> Rejection:
        """Return the error of a field."""
        return errors.reject_field(fault, call)

    def reject_status(self, status: int, call: Call) -> Rejection:
        """Return the error that goes with `status`."""
        return errors.reject_status(status)

    def render_error(self, rejection: Rejection, call: Call | None) -> bytes:
        """Return the body of an error."""
        return errors.render_error(rejection, call)

    def list_headers(self, call: Call, rejection: Rejection | None) -> tuple[tuple[str, str], ...]:
        """Return the headers of every answer."""
        return (("x-debug-trace-id", call.name("", 32)), ("x-endpoint-monthly-call-limit", "1000"))
