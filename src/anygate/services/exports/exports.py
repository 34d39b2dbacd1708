"""Tells those whom a provider's settings name of each of its requests."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from anygate.services.exports.delivery import Delivery
from anygate.services.exports.destinations import DestinationsFile, LangfuseDestination, OtelDestination
from anygate.services.exports.langfuse import GenerationSender
from anygate.services.exports.spans import SpanSender
from anygate.store.row import UsageRow
from anygate.urls import split_url

D = TypeVar("D", OtelDestination, LangfuseDestination)


class _Sender(Protocol):
    def send(self, rows: Sequence[UsageRow], /) -> None:
        """Send a batch; raises NotSent."""


class Exports:
    """Rows to their destinations, as the file at `path` says. What it leaves open of Langfuse is in the environment."""

    def __init__(self, path: Path, environment: Mapping[str, str] | None = None) -> None:
        self._file = DestinationsFile(path)
        self._environment = os.environ if environment is None else environment
        self._deliveries: dict[OtelDestination | LangfuseDestination, Delivery] = {}

    def add(self, row: UsageRow) -> None:
        """Take a row; returns at once."""
        found = self._file.find(row.provider) if row.provider else None
        if found is None:
            return
        if found.otel is not None:
            self._find(found.otel, found.otel.endpoint, SpanSender).put(row)
        langfuse = self._complete(found.langfuse) if found.langfuse is not None else None
        if langfuse is not None:
            self._find(langfuse, langfuse.host, GenerationSender).put(row)

    def stop(self) -> None:
        """Send what has come, for as long as a moment."""
        for one in self._deliveries.values():
            one.stop()

    @property
    def sent(self) -> int:
        """How many rows were told."""
        return sum(one.sent for one in self._deliveries.values())

    @property
    def dropped(self) -> int:
        """How many rows were not told to somebody who should have been."""
        return sum(one.dropped for one in self._deliveries.values())

    def _find(self, destination: D, url: str, sender: Callable[[D], _Sender]) -> Delivery:
        found = self._deliveries.get(destination)
        if found is None:
            found = self._deliveries[destination] = Delivery(split_url(url).netloc, sender(destination).send)
        return found

    def _complete(self, found: LangfuseDestination) -> LangfuseDestination | None:
        """The settings with what is open from Langfuse's own variables; without a host or a key nothing is told."""
        read = self._environment.get
        whole = msgspec.structs.replace(
            found,
            host=found.host or read("LANGFUSE_HOST", ""),
            public_key=found.public_key or read("LANGFUSE_PUBLIC_KEY", ""),
            secret_key=found.secret_key or read("LANGFUSE_SECRET_KEY", ""),
        )
        return whole if whole.host and whole.public_key and whole.secret_key else None
