"""What a caller may order from a stub with request headers: a status, a delay, chunks, a size, bad weather."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

PREFIX = "x-stub-"

_DURATION = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m|)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}
_LONGEST_DELAY = 3600.0
_MOST_CHUNKS = 10_000
_LARGEST_BODY = 1 << 30


class OrderError(ValueError):
    """An order that cannot be obeyed; the message names the header and what it expects."""


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of one request; a field that was not ordered is None or its neutral value."""

    status: int | None = None
    delay: float = 0.0
    chunks: int | None = None
    body_size: int = 0
    cut: int | None = None
    fail: int | None = None
    garbage: bool = False


NO_ORDERS = Orders()


def read_orders(headers: Iterable[tuple[str, str]], service: str, *, grpc: bool = False) -> Orders:
    """Read the orders among `headers` for the stub of `service`; a gRPC call may also order a gRPC status, 0 to 16.

    `x-stub-for` names the services that are meant, so that one of several backends can be told to fail.
    """
    found = _collect(headers)
    if not found or not _is_meant(found, service):
        return NO_ORDERS
    return Orders(
        status=_status(found.get("x-stub-status"), grpc=grpc),
        delay=parse_delay(found.get("x-stub-delay", "0")),
        chunks=_count(found, "x-stub-chunks", 1, _MOST_CHUNKS),
        body_size=_count(found, "x-stub-body-size", 0, _LARGEST_BODY) or 0,
        cut=_count(found, "x-stub-cut", 0, _MOST_CHUNKS),
        fail=_count(found, "x-stub-fail", 0, _MOST_CHUNKS),
        garbage=_flag(found.get("x-stub-garbage")),
    )


def is_reset_ordered(headers: Iterable[tuple[str, str]], service: str) -> bool:
    """Whether the caller wants the connection or stream of this stub dropped instead of an answer."""
    found = _collect(headers)
    return bool(found) and _flag(found.get("x-stub-reset")) and _is_meant(found, service)


def _collect(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        if name[:7].lower() == PREFIX:
            found.setdefault(name.lower(), value.strip())
    return found


def _is_meant(found: dict[str, str], service: str) -> bool:
    meant = found.get("x-stub-for")
    return meant is None or service in (name.strip() for name in meant.split(","))


def parse_delay(text: str) -> float:
    """Return the seconds that `text` means: `200ms`, `1.5s`, `1m` or plain seconds, at most one hour."""
    found = _DURATION.fullmatch(text)
    seconds = float(found[1]) * _SECONDS[found[2]] if found else -1.0
    if not 0.0 <= seconds <= _LONGEST_DELAY:
        raise OrderError(f"x-stub-delay: expected a duration such as 200ms or 1.5s, up to 1h, got {text!r}")
    return seconds


def _flag(text: str | None) -> bool:
    return text in ("1", "true")


def _status(text: str | None, *, grpc: bool) -> int | None:
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 3:
        status = int(text)
        if 200 <= status <= 599 or (grpc and status <= 16):
            return status
    expected = "200 to 599 or a gRPC status 0 to 16" if grpc else "200 to 599"
    raise OrderError(f"x-stub-status: expected {expected}, got {text!r}")


def _count(found: dict[str, str], name: str, least: int, most: int) -> int | None:
    text = found.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 10 and least <= int(text) <= most:
        return int(text)
    raise OrderError(f"{name}: expected {least} to {most}, got {text!r}")
