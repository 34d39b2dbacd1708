"""Providers' clusters that no route leads to any more, kept for the requests that were on their way when it changed.

A request that the adapter has in hand names the cluster that it is for, and one that is tried again goes by the routes
that it began with. Tried on Envoy 1.40: either fails, with 500 or 503, if the cluster is gone by then.
"""

import asyncio
from collections.abc import Callable, Iterable

from anygate.envoy.names import adapter_cluster_name
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, Resource, Snapshot
from anygate.model import Model

LINGER = 30.0
"""How many seconds they are kept, which is as long as Envoy keeps the connections of a listener that was replaced."""


class Retired:
    """Adds them to snapshots. `on_release` is called in the event loop when some are over."""

    def __init__(self, on_release: Callable[[], None], linger: float = LINGER) -> None:
        self._on_release = on_release
        self._linger = linger
        self._kept: dict[tuple[str, str], tuple[Resource, float]] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def add(self, model: Model, old: Snapshot, new: Snapshot) -> None:
        """Keep what the old snapshot has for the providers of its model, and the new one has not."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._linger
        found = [
            (old[kind][name], until)
            for name in _clusters_of(model)
            for kind in (CLUSTER, ENDPOINTS)
            if name in old[kind] and name not in new[kind]
        ]
        if found:
            self._kept |= {(one.type_url, one.name): (one, end) for one, end in found}
            self._timers.add(loop.call_at(until, self._release))

    def add_to(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with what is kept and not in it."""
        missing = [one for one, _ in self._kept.values() if one.name not in snapshot[one.type_url]]
        return Snapshot([*snapshot, *missing]) if missing else snapshot

    def stop(self) -> None:
        """Release nothing any more."""
        for timer in self._timers:
            timer.cancel()

    def _release(self) -> None:
        # Timers may be early by the resolution of the clock.
        now = asyncio.get_running_loop().time() + 0.01
        self._timers = {timer for timer in self._timers if timer.when() > now}
        self._kept = {place: (one, end) for place, (one, end) in self._kept.items() if end > now}
        self._on_release()


def _clusters_of(model: Model) -> Iterable[str]:
    for backend in model.backends:
        if backend.provider is not None:
            yield backend.name
            yield adapter_cluster_name(backend.name)
