"""A provider that cannot be reached at all is followed by the rule's next one."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from upstream_gateway import Row, Running, backend, gateway, providers

from anygate.model.backend import (
    ActiveCheck,
    Backend,
    Connection,
    EndpointGroup,
    HttpCheck,
    LoadBalancing,
    PassiveCheck,
)

BODY = {"model": "m"}
MAGLEV = Connection(balancing=LoadBalancing(kind="maglev"))
CHECKED = Connection(passive_check=PassiveCheck(consecutive_5xx=1, interval=timedelta(milliseconds=50)))


def _without_endpoints(name: str) -> Backend:
    made = backend(name, 1)
    return Backend(origin=made.origin, name=name, service=name, groups=(), provider=made.provider)


@pytest.mark.parametrize(
    "first",
    [
        lambda: backend("a", 443, host="nothing.invalid"),
        lambda: _without_endpoints("a"),
        lambda: backend("a", 443, host="nothing.invalid", connection=CHECKED),
        lambda: backend(
            "a", 443, host="nothing.invalid", connection=Connection(balancing=LoadBalancing(kind="maglev"))
        ),
    ],
    ids=["no such name", "no endpoint", "no such name, checked", "no such name, maglev"],
)
def test_a_provider_without_endpoints_is_followed_by_the_next(first: Callable[[], Backend]) -> None:
    with providers(200) as [two], gateway([first(), backend("b", two.port)], Row(["a", "b"])) as running:
        statuses = [running.post(BODY).status_code for _ in range(12)]
    assert statuses == [200] * 12


def test_an_ejected_provider_is_left_out() -> None:
    with providers(503, 200) as [one, two]:
        made = [backend("a", one.port, connection=CHECKED), backend("b", two.port)]
        with gateway(made, Row(["a", "b"])) as running:
            statuses = [running.post(BODY).status_code for _ in range(20)]
            assert _stat(running, "cluster.a.outlier_detection.ejections_active") >= 1
    assert statuses == [200] * 20
    assert len(one.seen) < 5


def test_a_provider_that_its_probes_find_ill_is_left_out() -> None:
    check = ActiveCheck(
        kind="http", http=HttpCheck(path="/", method="POST"), interval=timedelta(milliseconds=20), unhealthy_threshold=1
    )
    with providers(503, 200) as [one, two]:
        made = [backend("a", one.port, connection=Connection(active_check=check)), backend("b", two.port)]
        with gateway(made, Row(["a", "b"])) as running:
            statuses = [running.post(BODY).status_code for _ in range(30)]
    asked = [seen for seen in one.seen if seen.path != "/"]
    assert statuses == [200] * 30
    assert len(asked) < 5


def test_one_of_two_endpoints_keeps_all_of_the_traffic() -> None:
    with providers(503, 200, 200) as [bad, good, other]:
        first = backend("a", bad.port, connection=CHECKED)
        second = backend("a", good.port)
        groups = (EndpointGroup(endpoints=(*first.groups[0].endpoints, *second.groups[0].endpoints)),)
        both = Backend(
            origin=first.origin,
            name="a",
            service="a",
            groups=groups,
            provider=first.provider,
            connection=Connection(
                passive_check=PassiveCheck(
                    consecutive_5xx=1, interval=timedelta(milliseconds=50), max_ejection_percent=100
                )
            ),
        )
        with gateway([both, backend("b", other.port)], Row(["a", "b"])) as running:
            statuses = [running.post(BODY).status_code for _ in range(40)]
    assert statuses == [200] * 40
    assert len(bad.seen) == 1
    assert len(other.seen) <= 1


def test_many_requests_at_once_are_no_reason_to_refuse_one() -> None:
    with providers(200) as [one], gateway([backend("a", one.port)], Row(["a"])) as running:
        assert running.post(BODY).status_code == 200
        shown = json.loads(running.envoy.ask_admin("/clusters?format=json"))
    [cluster] = [each for each in shown["cluster_statuses"] if each["name"] == "a"]
    bounds = cluster["circuit_breakers"]["thresholds"][0]
    assert min(bounds[name] for name in ("max_connections", "max_pending_requests", "max_requests")) > 1_000_000


def _stat(running: Running, name: str) -> int:
    found = json.loads(running.envoy.ask_admin("/stats?format=json&filter=^" + name + "$"))["stats"]
    return int(found[0]["value"])
