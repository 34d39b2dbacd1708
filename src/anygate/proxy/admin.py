"""Envoy's admin interface over its Unix socket."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import h11

_CHUNK = 65_536


class AdminUnreachable(OSError):  # noqa: N818 - it is a state of things, as EnvironmentProblem is
    """Nobody answers on the admin socket, or what answers breaks off."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the admin interface said."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Admin:
    """A client of one admin interface. Each call is one short connection."""

    socket: Path
    timeout: float = 5.0

    async def is_ready(self) -> bool:
        """Tell whether Envoy is live: its first configuration is in and its workers run."""
        try:
            return (await self.ask("GET", "/ready")).status == 200
        except AdminUnreachable:
            return False

    async def stats(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose names match a regular expression."""
        answer = await self._expect("GET", "/stats", format="json", filter=pattern)
        found = json.loads(answer.body)["stats"]
        return {entry["name"]: entry["value"] for entry in found if "name" in entry}

    async def config_dump(self, **query: str) -> dict[str, Any]:
        """Return what Envoy runs, private keys and other secrets redacted by Envoy itself."""
        dump: dict[str, Any] = json.loads((await self._expect("GET", "/config_dump", **query)).body)
        return dump

    async def fail_health_check(self) -> None:
        """Make Envoy ask its clients to close: `connection: close` on HTTP/1, GOAWAY on HTTP/2."""
        await self._expect("POST", "/healthcheck/fail")

    async def drain_listeners(self) -> None:
        """Stop accepting connections; those that exist live on."""
        await self._expect("POST", "/drain_listeners")

    async def ask(self, method: str, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Send one request and return the answer; raises AdminUnreachable."""
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            async with asyncio.timeout(self.timeout):
                reader, writer = await asyncio.open_unix_connection(self.socket)
                try:
                    return await _exchange(reader, writer, method, target)
                finally:
                    writer.close()
        except (OSError, h11.RemoteProtocolError) as problem:
            raise AdminUnreachable(f"no answer from Envoy's admin interface: {problem}") from problem

    async def _expect(self, method: str, path: str, **query: str) -> Answer:
        answer = await self.ask(method, path, query)
        if answer.status != 200:
            raise AdminUnreachable(f"Envoy answers {answer.status} to {method} {path}")
        return answer


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: str, target: str) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    headers = [("host", "admin"), ("connection", "close")]
    writer.write(connection.send(h11.Request(method=method, target=target, headers=headers)) or b"")
    writer.write(connection.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    status, body = 0, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return Answer(status, bytes(body))
