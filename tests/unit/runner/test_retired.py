"""Clusters that outlive their routes for a while."""

import asyncio

from anygate.envoy.snapshot import CLUSTER, Snapshot, resource
from anygate.model import Backend, Model
from anygate.model.inference import Provider
from anygate.model.origin import Origin
from anygate.runner.retired import Retired

ORIGIN = Origin("AIServiceBackend", "default", "a")
PROVIDER = Provider(origin=ORIGIN, name="default/a", format="OpenAI")
A = Backend(origin=ORIGIN, name="a", service="a", provider=PROVIDER)
MODEL = Model(backends=(A, Backend(origin=ORIGIN, name="plain", service="plain")))


def clusters(*names: str, body: bytes = b"") -> Snapshot:
    return Snapshot(resource(CLUSTER, name, body) for name in names)


def kept(retired: Retired, snapshot: Snapshot) -> set[str]:
    return set(retired.add_to(snapshot)[CLUSTER])


def test_clusters_of_providers_are_kept_for_a_while() -> None:
    async def run() -> None:
        released = asyncio.Event()
        retired = Retired(released.set, linger=0.02)
        new = clusters("b")
        retired.add(MODEL, clusters("a", "a/adapter", "plain", "b"), new)
        assert kept(retired, new) == {"a", "a/adapter", "b"}
        await asyncio.wait_for(released.wait(), 20)
        assert kept(retired, new) == {"b"}

    asyncio.run(run())


def test_what_comes_back_is_the_new_one() -> None:
    async def run() -> None:
        retired = Retired(lambda: None)
        retired.add(MODEL, clusters("a", body=b"old"), clusters())
        again = clusters("a", body=b"new")
        assert retired.add_to(again)[CLUSTER]["a"].body == b"new"
        assert retired.add_to(clusters())[CLUSTER]["a"].body == b"old"
        retired.stop()

    asyncio.run(run())
