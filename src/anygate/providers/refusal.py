"""Errors as values: what a conversion refuses and what an upstream answered, before a client format renders it."""

import msgspec

MESSAGE_LIMIT = 8192


class ErrorReply(msgspec.Struct, frozen=True):
    """An error on its way to the client. `kind` is the origin's own word for it, empty when it gave none."""

    status: int
    message: str
    kind: str = ""
    code: str | None = None
    param: str | None = None
    request_id: str = ""


class Refused(Exception):  # noqa: N818 - a refusal is an outcome, not a defect
    """Raised inside the conversions; an Exchange turns it into an error in the client's format."""

    def __init__(self, status: int, message: str, *, kind: str = "", param: str | None = None) -> None:
        super().__init__(message)
        self.reply = ErrorReply(status, message, kind=kind, param=param)


def bad_request(path: str, problem: str) -> Refused:
    """A request that breaks its own format: 400."""
    return Refused(400, f"malformed request: {path}: {problem}", param=path)


def not_expressible(path: str, problem: str) -> Refused:
    """A valid request that the target cannot express: 422."""
    return Refused(422, f"invalid request body: {path}: {problem}", param=path)


def bad_answer(problem: str) -> Refused:
    """An upstream answer that cannot be read: 502."""
    return Refused(502, f"the provider's answer could not be read: {problem}", kind="api_error")


def shorten(text: str) -> str:
    """Upstream error pages can be large; a message keeps their beginning."""
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + " ..."
