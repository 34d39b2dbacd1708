"""`opentelemetry.proto.collector.trace.v1.TraceService`: passes Envoy's spans on to a collector over OTLP/HTTP.

The collector's address and the headers with its credentials stay here, so that Envoy's configuration has no secret.
Spans are passed on as they came. What a collector cannot take is dropped and counted; requests never wait for it.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from anygate.errors import EnvironmentProblem
from anygate.services.telemetry import CollectorPlace
from anygate.urls import split_url

if TYPE_CHECKING:
    import grpc
    import httpx2

_MOST_WAITING = 1000
_TIMEOUT = 10.0
_TRIES = 3
_PAUSE = 0.5
_RETRIED = frozenset((429, 502, 503, 504))


def find_collector(endpoint: str = "", environment: Mapping[str, str] | None = None) -> CollectorPlace | None:
    """The collector at `endpoint`, or that of OpenTelemetry's own variables; None if there is none."""
    env = os.environ if environment is None else environment
    traces = "" if endpoint else env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
    root = endpoint or env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    url = traces or (f"{root.rstrip('/')}/v1/traces" if root else "")
    if not url:
        return None
    parts = split_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise EnvironmentProblem("the address of the OTLP collector is no http:// or https:// URL")
    text = env.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or env.get("OTEL_EXPORTER_OTLP_HEADERS", "")
    return CollectorPlace(url, headers=_parse_headers(text))


class TraceService:
    """Takes spans from Envoy and sends them on, one message after the other. Without a `collector` it drops them."""

    name = "opentelemetry.proto.collector.trace.v1.TraceService"

    def __init__(self, collector: CollectorPlace | None = None) -> None:
        self.sent = 0
        self.dropped = 0
        self.collector = collector
        self._waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_MOST_WAITING)
        self._sending: asyncio.Task[None] | None = None

    def methods(self) -> "Mapping[str, grpc.RpcMethodHandler]":
        """Return how the one method is answered."""
        import grpc

        return {"Export": grpc.unary_unary_rpc_method_handler(self._take)}

    async def open(self) -> None:
        """Start sending."""
        self._sending = asyncio.create_task(self._send_all(), name="spans")

    async def close(self) -> None:
        """Send what has come, for as long as one message may take."""
        if self._sending is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT):
                await self._waiting.put(None)
                await asyncio.shield(self._sending)
        self._sending.cancel()

    async def _take(self, raw: bytes, _context: Any) -> bytes:
        if self.collector is None:
            return b""
        try:
            self._waiting.put_nowait(raw)
        except asyncio.QueueFull:
            self._drop("it does not keep up")
        return b""

    async def _send_all(self) -> None:
        import httpx2

        async with httpx2.AsyncClient(trust_env=False) as client:
            while (raw := await self._waiting.get()) is not None:
                if self.collector is not None:
                    await self._send(client, self.collector, raw)

    async def _send(self, client: "httpx2.AsyncClient", collector: CollectorPlace, raw: bytes) -> None:
        import httpx2

        headers = {**collector.headers, "content-type": "application/x-protobuf"}
        for attempt in range(_TRIES):
            if attempt:
                await asyncio.sleep(_PAUSE * 2**attempt)
            try:
                answer = await client.post(collector.url, content=raw, headers=headers, timeout=collector.timeout)
            except httpx2.HTTPError as problem:
                reason = type(problem).__name__
                continue
            if answer.is_success:
                self.sent += 1
                return
            reason = f"it answers {answer.status_code}"
            if answer.status_code not in _RETRIED:
                break
        self._drop(reason)

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        if self.dropped & (self.dropped - 1) == 0:  # 1, 2, 4, 8 ...
            text = f"warning: traces: the collector gets nothing: {reason}; {self.dropped} messages of spans are lost"
            print(text, file=sys.stderr, flush=True)


def _parse_headers(text: str) -> dict[str, str]:
    """`name=value,name=value`, with values that may be percent-encoded."""
    pairs = (one.partition("=") for one in text.split(",") if one.strip())
    return {name.strip().lower(): unquote(value.strip()) for name, _, value in pairs if name.strip()}
