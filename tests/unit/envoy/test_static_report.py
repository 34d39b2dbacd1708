"""What a conversion to Envoy says is left to do."""

from datetime import timedelta

from build_models import ORIGIN, backend, forward, listener, model, route, rule, server, target

from anygate.envoy.build import build
from anygate.envoy.placement import Placement
from anygate.envoy.static import render_static
from anygate.model.cache import Cache
from anygate.model.security import Oidc, Security


def test_a_service_that_is_not_there_is_named() -> None:
    cache = Cache(origin=ORIGIN, strategy="disk", zone="z", lifetime=timedelta(seconds=1), key=("k",))
    kept = rule(forward(target("b")), cache=cache)
    found = model([listener(80, server(routes=(route("r", kept),)))], [backend("b")])
    asked = "the filter anygate/cache/disk asks anygate_services"
    assert asked in render_static(build(found).snapshot).report
    assert asked not in render_static(build(found, Placement(services="/run/services")).snapshot).report


def test_a_login_keeps_its_client_and_names_its_secrets() -> None:
    provider = "https://sso.test"
    endpoints = {"authorization_endpoint": f"{provider}/a", "token_endpoint": f"{provider}/t", "token_backend": "b"}
    oidc = Oidc(
        origin=ORIGIN, name="n", issuer=provider, client_id="web", client_secret="c", hmac_secret="h", **endpoints
    )
    kept = rule(forward(target("b")), security=Security(origin=ORIGIN, oidc=oidc))
    found = model([listener(80, server(routes=(route("r", kept),)))], [backend("b", 1)])
    made = render_static(build(found).snapshot)
    assert "client_id: web" in made.text
    assert "secrets/h.yaml" in made.text
