"""One request as the cache sees it: what Envoy sends of it, and what it is told to each part.

What becomes of requests is what APISIX makes of them, by `apisix/plugins/proxy-cache` and nginx's `proxy_cache`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from anygate.envoy.api import message
from anygate.envoy.cache_order import BACKEND, DETAILS, CacheOrder
from anygate.model.cache import Part
from anygate.services.cache.freshness import Directives, is_too_old, lifetime_of, read_directives
from anygate.services.cache.request import Head, Request
from anygate.services.cache.zone import Answer, Zone
from anygate.services.ext_proc import RESPONSE, read_headers, set_header

_STREAMED = 1
_FOUND, _NO_CONTENT, _NOT_FOUND, _NOT_IN_TIME = 200, 204, 404, 504
_CHUNK = 1024 * 1024
_CACHEABLE = ("GET", "HEAD", "POST")
_LIFETIME = ("cache-control", "expires")
_NOT_KEPT = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers"),
        *("transfer-encoding", "upgrade", "content-length", "age"),
    }
)
_NOT_KEPT_PREFIXES = (":", "x-envoy-", "x-ratelimit-", "ratelimit-")
"""Headers that are about one connection or one request."""


class Exchange:
    """The parts of one request and its answer, in the order in which Envoy sends them.

    `clock` gives seconds since 1970. `is_over` says that nothing more has to be seen.
    """

    def __init__(self, order: CacheOrder, zone: Zone, clock: Callable[[], float]) -> None:
        self._route = order.route
        self._cache = order.cache
        self._zone = zone
        self._clock = clock
        self._response = message(RESPONSE)
        self._request = Request((), {})
        self._key: tuple[str, ...] = ()
        self._told = ""
        self._keeps = False
        self._answer: Answer | None = None
        self._parts: list[bytes] = []
        self._taken = 0
        self.is_over = False

    def take(self, part: Any) -> Iterator[bytes]:
        """Look at a part and say what Envoy is to do, in messages."""
        kind = part.WhichOneof("request")
        if kind == "request_headers":
            self._request = Request(read_headers(part.request_headers), _attributes(part))
            yield from self._take_request()
        elif kind == "response_headers":
            yield self._take_answer(part)
        else:
            response = self._response()
            getattr(response, kind).SetInParent()
            if kind == "response_body":
                self._take_body(part.response_body.body, ends=part.response_body.end_of_stream)
            yield response.SerializeToString()

    def close(self) -> None:
        """Forget what came of an answer that was not to be kept, or did not come to its end."""
        self._zone.release(self._taken)
        self._parts, self._taken, self._answer = [], 0, None

    def _take_request(self) -> Iterator[bytes]:
        if not self._request.is_plain:
            self.is_over = True
            return self._go_on()
        cache, request = self._cache, self._request
        # Each part stands for itself: put together, "a" and "bc" would be "ab" and "c".
        self._key = (self._route, *map(request.value, cache.key), *self._caller())
        if request.method == "PURGE":
            return self._reply(_FOUND if self._zone.purge(self._key) else _NOT_FOUND, "cache_purge")
        if request.method not in cache.methods:
            listed = cache.strategy == "memory" or request.method in _CACHEABLE
            self._told = "MISS" if listed else ""
            return self._go_on()
        asked = read_directives(request.get("cache-control")) if cache.client_directives else {}
        if any(map(self._is_set, cache.bypass)) or "no-store" in asked or "no-cache" in asked:
            self._told, self._keeps = "BYPASS", cache.strategy == "disk"
            return self._go_on()
        return self._look_up(asked)

    def _caller(self) -> tuple[str, ...]:
        """What tells the caller, and which of the ways to tell it is."""
        for number, parts in enumerate(self._cache.callers):
            found = tuple(map(self._request.value, parts))
            if any(found):
                return str(number), *found
        return ()

    def _is_set(self, part: Part, status: int = 0) -> bool:
        return self._request.value(part, status) not in ("", "0")

    def _look_up(self, asked: Directives) -> Iterator[bytes]:
        now = self._clock()
        found = self._zone.find(self._key, self._request)
        if found is not None and found.is_fresh(now):
            if not is_too_old(asked, now - found.stored, found.lifetime):
                return self._give(found)
            self._told = "STALE"
        elif found is not None:
            self._told = "EXPIRED"
        elif "only-if-cached" in asked:
            return self._reply(_NOT_IN_TIME, "cache_only", told="MISS")
        else:
            self._told = "MISS"
        # The head alone would be no answer to those who want the body.
        self._keeps = self._request.method != "HEAD"
        return self._go_on()

    def _go_on(self) -> Iterator[bytes]:
        response = self._response()
        response.request_headers.SetInParent()
        yield response.SerializeToString()

    def _reply(self, status: int, details: str, told: str = "") -> Iterator[bytes]:
        """Answer in place of the backend, with nothing but a status."""
        self.is_over = True
        response = self._response()
        immediate = response.immediate_response
        immediate.status.code, immediate.details = status, details
        if told:
            set_header(immediate.headers, self._cache.status_header, told.encode())
        yield response.SerializeToString()

    def _give(self, answer: Answer) -> Iterator[bytes]:
        """Give a kept answer.

        Tried on Envoy 1.40: an immediate response gets a type of content where the backend had said none. One that is
        streamed goes out as it is, and passes all filters too; of headers with one name it has only the last.
        """
        self.is_over = True
        body = b"" if self._request.method == "HEAD" else answer.body
        hidden = _LIFETIME if self._cache.hides_lifetime else ()
        headers = [(":status", str(answer.status)), ("age", str(int(self._clock() - answer.stored)))]
        headers += [(self._cache.status_header.lower(), "HIT")]
        headers += [("content-length", str(len(answer.body)))] if answer.status != _NO_CONTENT else []
        response = self._response()
        head = response.streamed_immediate_response.headers_response
        head.end_of_stream = not body
        for name, value in (*_encoded(headers), *answer.headers.pairs):
            if name not in hidden:
                head.headers.headers.add(key=name, raw_value=value)
        yield response.SerializeToString()
        for start in range(0, len(body), _CHUNK):
            response = self._response()
            part = response.streamed_immediate_response.body_response
            part.body, part.end_of_stream = body[start : start + _CHUNK], start + _CHUNK >= len(body)
            yield response.SerializeToString()

    def _take_answer(self, part: Any) -> bytes:
        headers, ends = Head(read_headers(part.response_headers)), part.response_headers.end_of_stream
        response = self._response()
        mutation = response.response_headers.response.header_mutation
        mutation.SetInParent()
        if self._told:
            set_header(mutation, self._cache.status_header, self._told.encode())
        else:
            mutation.remove_headers.append(self._cache.status_header)
        if self._cache.hides_lifetime:
            mutation.remove_headers.extend(_LIFETIME)
        self._answer = self._begin(headers) if self._keeps and _attributes(part).get(DETAILS) == BACKEND else None
        if self._answer is None:
            self.is_over = True
        elif ends:
            self._finish(self._answer)
        else:
            response.mode_override.response_body_mode = _STREAMED
        return bytes(response.SerializeToString())

    def _begin(self, headers: Head) -> Answer | None:
        """The answer as it will be kept, still without its body; None if it will not."""
        status, now = int(headers.get(":status") or 0), self._clock()
        lifetime = lifetime_of(self._cache, status, headers, now)
        length = headers.get("content-length")
        too_large = length.isdecimal() and int(length) > self._largest
        if lifetime <= 0 or too_large or any(self._is_set(one, status) for one in self._cache.excluded):
            return None
        return Answer(status, self._keep_headers(headers), b"", now, lifetime)

    def _keep_headers(self, headers: Head) -> Head:
        """The headers that are the answer's own, each name once."""
        dropped = {*_NOT_KEPT, self._cache.status_header.lower()}
        kept: dict[str, bytes] = {}
        for name, value in headers.pairs:
            if name not in dropped and not name.startswith(_NOT_KEPT_PREFIXES):
                kept[name] = kept[name] + b", " + value if name in kept else value
        return Head(kept.items())

    @property
    def _largest(self) -> int:
        return min(self._cache.largest, self._cache.capacity)

    def _take_body(self, body: bytes, *, ends: bool) -> None:
        answer = self._answer
        if answer is None:
            return
        if self._taken + len(body) > self._largest or not self._zone.reserve(len(body)):
            self.close()
            self.is_over = True
            return
        self._taken += len(body)
        self._parts.append(body)
        if ends:
            self._finish(answer._replace(body=b"".join(self._parts)))

    def _finish(self, answer: Answer) -> None:
        self._zone.put(self._key, self._request, answer)
        self.is_over = True


def _attributes(part: Any) -> dict[str, str]:
    """What Envoy says besides headers."""
    return {name: value.string_value for given in part.attributes.values() for name, value in given.fields.items()}


def _encoded(headers: Sequence[tuple[str, str]]) -> Iterator[tuple[str, bytes]]:
    return ((name, value.encode()) for name, value in headers)
