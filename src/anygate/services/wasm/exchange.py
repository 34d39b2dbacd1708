"""One request as the sandbox sees it: what Envoy sends of it, and what plugins say to each part.

Envoy waits for an answer to each part before it goes on, and sends only the parts that a plugin has a use for.
https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ext_proc_filter
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from anygate.envoy.api import message
from anygate.services.ext_proc import RESPONSE, read_headers, set_header
from anygate.services.wasm.engine import PluginError, Plugins
from anygate.services.wasm.host import Headers, Visit
from anygate.wasm.inspection import HOOKS
from anygate.wasm.order import Order, PluginCall

_REQUEST_HOOK, _RESPONSE_HOOK, _CHUNK_HOOK = HOOKS["onRequest"], HOOKS["onResponse"], HOOKS["onStreamChunk"]
_REFUSED, _FAILED = 403, 503


class Refused(NamedTuple):
    """A status that a plugin answers with instead."""

    status: int
    plugin: str


class Exchange:
    """The parts of one request and its answer, in the order in which Envoy sends them.

    `on_failure` hears of each plugin that failed.
    """

    def __init__(self, plugins: Plugins, order: Order, on_failure: Callable[[str, str], None]) -> None:
        self._plugins = plugins
        self._order = order
        self._on_failure = on_failure
        self._response = message(RESPONSE)
        self._request = Headers([])
        self._answer = Headers([])

    def take(self, part: Any) -> bytes:
        """Show a part to plugins and return what Envoy is to do, as a message; may take as long as plugins may."""
        kind = part.WhichOneof("request")
        if kind == "request_headers":
            self._request = Headers(read_headers(part.request_headers))
            late = _REQUEST_HOOK in self._order.bodies and not part.request_headers.end_of_stream
            return self._say(kind, None if late else self._call(_REQUEST_HOOK, self._request, b""), self._request)
        if kind == "request_body":
            return self._say(kind, self._call(_REQUEST_HOOK, self._request, part.request_body.body), self._request)
        if kind == "response_headers":
            self._answer = Headers(read_headers(part.response_headers))
            late = self._waits_for_answer and not part.response_headers.end_of_stream
            return self._say(kind, None if late else self._call(_RESPONSE_HOOK, self._answer, b""), self._answer)
        if kind == "response_body":
            return self._take_body(part.response_body.body)
        return self._say(kind, None, self._answer)

    @property
    def _waits_for_answer(self) -> bool:
        """Whether the whole answer is held until a plugin has seen it; not where others see each of its parts."""
        return _RESPONSE_HOOK in self._order.bodies and not self._has(_CHUNK_HOOK)

    def _has(self, function: str) -> bool:
        return any(function in call.functions for call in self._order.calls)

    def _take_body(self, body: bytes) -> bytes:
        if self._waits_for_answer:
            return self._say("response_body", self._call(_RESPONSE_HOOK, self._answer, body), self._answer)
        refused = self._call(_CHUNK_HOOK, self._answer, body) if body else None
        return self._say("response_body", refused, None)

    def _call(self, function: str, headers: Headers, body: bytes) -> Refused | None:
        """Call each plugin that has a function, until one refuses."""
        for call in self._order.calls:
            if function in call.functions:
                refused = self._call_one(call, function, headers, body)
                if refused is not None:
                    return refused
        return None

    def _call_one(self, call: PluginCall, function: str, headers: Headers, body: bytes) -> Refused | None:
        try:
            config = self._plugins.read_settings(call.config)
            visit = Visit(call.name, self._order.route, config, self._request, headers, body)
            if function != _REQUEST_HOOK:
                visit.reads = headers
            found = self._plugins.call(call.module, function, visit, memory=call.memory, milliseconds=call.milliseconds)
        except (PluginError, OSError) as problem:
            self._on_failure(call.name, f"{function}: {problem}")
            return None if call.fail_open else Refused(_FAILED, call.name)
        if found == 0:
            return None
        return Refused(found if 400 <= found <= 599 else _REFUSED, call.name)

    def _say(self, kind: str, refused: Refused | None, headers: Headers | None) -> bytes:
        response = self._response()
        if refused is not None:
            immediate = response.immediate_response
            immediate.status.code = refused.status
            immediate.details = f"plugin {refused.plugin}".replace(" ", "_")
            return bytes(response.SerializeToString())
        found = getattr(response, kind)
        if headers is not None and headers.changed:
            for name, value in headers.changed.items():
                set_header(found.response.header_mutation, name, value)
        found.SetInParent()
        return bytes(response.SerializeToString())
