"""What a conversion to Envoy says is left to do."""

from datetime import timedelta

from build_models import ORIGIN, backend, forward, listener, model, route, rule, server, target

from anygate.envoy.build import build
from anygate.envoy.placement import Placement
from anygate.envoy.static import render_static
from anygate.model.cache import Cache


def test_a_service_that_is_not_there_is_named() -> None:
    cache = Cache(origin=ORIGIN, strategy="disk", zone="z", lifetime=timedelta(seconds=1), key=("k",))
    kept = rule(forward(target("b")), cache=cache)
    found = model([listener(80, server(routes=(route("r", kept),)))], [backend("b")])
    asked = "the filter anygate/cache/disk asks anygate_services"
    assert asked in render_static(build(found).snapshot).report
    assert asked not in render_static(build(found, Placement(services="/run/services")).snapshot).report
