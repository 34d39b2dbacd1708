"""What clients are told of limits, and how long they wait for their turn."""

import math
from collections.abc import Sequence
from typing import Any

from anygate.services.ratelimit.ask import Ask, Mode, Telling, Window
from anygate.services.ratelimit.counters import Taken


def tell(response: Any, asks: Sequence[Ask], taken: Sequence[Taken]) -> None:
    """Write the headers and the body that asks want into a `RateLimitResponse`.

    Of several limits that use the same headers the last one is told, or the first one that refuses: it is the reason.
    Of those that say when to come again it is the one with the least left, or that refuses for longest.
    """
    compared = []
    for ask, found in zip(asks, taken, strict=True):
        if ask.telling.retry:
            compared.append((ask, found))
            if found.over and ask.telling.warning:
                _put(response.response_headers_to_add, *ask.telling.warning)
        else:
            _tell(response, ask, found)
    told = [one for one in compared if one[0].mode is not Mode.CHARGE]
    if told:
        ask, found = max(told, key=_tightness)
        _tell(response, ask, found)
        if is_refused(ask, found):
            for name in ask.telling.retry:
                _put(response.response_headers_to_add, name, str(math.ceil(found.reset)))


def is_refused(ask: Ask, found: Taken) -> bool:
    """Whether a request is refused for this."""
    return found.over and ask.mode is Mode.LIMIT


def _tightness(one: tuple[Ask, Taken]) -> tuple[float, ...]:
    ask, found = one
    used = found.used / ask.limit.requests if ask.limit.requests else 1.0
    return (is_refused(ask, found), found.reset if is_refused(ask, found) else used, used)


def _tell(response: Any, ask: Ask, found: Taken) -> None:
    telling: Telling = ask.telling
    values = (ask.limit.requests, max(0, int(ask.limit.requests - found.used)), math.ceil(found.reset))
    if not response.raw_body:
        for name, value in zip(telling.headers, values, strict=False):
            _put(response.response_headers_to_add, name, str(value))
    if is_refused(ask, found) and telling.body and not response.raw_body:
        response.raw_body = telling.body.encode()
        if telling.content_type:
            _put(response.response_headers_to_add, "content-type", telling.content_type)


def wait_of(ask: Ask, found: Taken) -> float:
    """Return the seconds that a request waits for its turn."""
    telling = ask.telling
    if ask.hits <= 0:
        return 0.0
    if ask.limit.window is Window.LEAKY and telling.smooth:
        return max(0.0, (found.used - ask.hits) * ask.limit.seconds)
    if ask.limit.window is Window.CONCURRENT and telling.calm:
        return telling.delay * ((found.used - 1) // telling.calm)
    return 0.0


def _put(headers: Any, name: str, value: str) -> None:
    known = next((one for one in headers if one.key == name), None)
    if known is None:
        known = headers.add(key=name)
    known.value = value
