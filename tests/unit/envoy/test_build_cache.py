"""The cache of a build changes how long it takes, never what it makes; and Envoy takes what is made."""

from pathlib import Path

import msgspec
from build_models import backend, listener, model, prefix, route, rule, server
from full_model import full_model
from validate import validate

from anygate.envoy.build import BuildCache, build
from anygate.envoy.placement import Placement
from anygate.envoy.snapshot import ROUTES
from anygate.envoy.upstream.files import list_credential_files
from anygate.manifests.sensitive import Sensitive
from anygate.model.root import Model
from anygate.model.tls import Opaque


def _model(*paths: str) -> Model:
    routes = tuple(route(f"r{at}", rule("web", prefix(path))) for at, path in enumerate(paths))
    return model([listener(80, server(routes=routes))], [backend("web", 8080)])


def test_envoy_accepts_everything_the_model_can_ask_for(tmp_path: Path) -> None:
    for file in list_credential_files(full_model()):
        (tmp_path / file.name).write_bytes(file.content.reveal())
    placement = Placement(access_log="/dev/null", credentials=str(tmp_path))
    assert validate(build(full_model(), placement).snapshot, tmp_path) == ""


def test_the_same_model_gives_the_same_bytes() -> None:
    assert build(full_model()) == build(msgspec.structs.replace(full_model()))


def test_a_cache_changes_nothing() -> None:
    cache = BuildCache()
    for paths in (("/a", "/b"), ("/a", "/c"), ("/c",), ("/a", "/b")):
        asked = _model(*paths)
        assert build(asked, cache=cache) == build(asked)
    assert build(full_model(), cache=cache) == build(full_model(), cache=cache) == build(full_model())


def test_equal_routes_are_not_built_again() -> None:
    cache = BuildCache()
    before = build(_model("/a", "/b"), cache=cache)
    sheets = list(cache.sheets.values())
    after = build(_model("/a", "/b"), cache=cache)
    assert before == after
    kept = {id(row) for sheet in sheets for each in sheet._routes.values() for row in each.rows.values()}
    used = {id(row) for sheet in cache.sheets.values() for each in sheet._routes.values() for row in each.rows.values()}
    assert used == kept


def test_a_secret_that_changes_reaches_the_rules_that_hold_it() -> None:
    cache = BuildCache()
    before = full_model()
    build(before, cache=cache)
    renewed = Opaque(
        origin=before.secrets[0].origin, name="opaque", value=Sensitive(b"u:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")
    )
    secrets = tuple(renewed if secret.name == "opaque" else secret for secret in before.secrets)
    after = msgspec.structs.replace(before, secrets=secrets)
    assert build(after, cache=cache) == build(after)


def test_a_cache_keeps_only_what_the_last_build_used() -> None:
    cache = BuildCache()
    build(_model("/a", "/b"), cache=cache)
    build(_model("/a"), cache=cache)
    assert sum(len(sheet._routes) for sheet in cache.sheets.values()) == 1
    assert len(cache.backends) == 1


def test_every_route_leads_back_to_a_line() -> None:
    body = build(_model("/a")).snapshot[ROUTES]["default/gw/80"].body
    for part in (b"HTTPRoute/default/r0/rule/0/match/0", b"web.yaml:7:3"):
        assert part in body


def test_a_placement_moves_redirects_between_the_ports_of_a_gateway() -> None:
    from build_models import ORIGIN
    from validate import parsed

    from anygate.envoy.placement import Socket
    from anygate.model.edit import Redirect

    redirect = rule(Redirect(origin=ORIGIN, scheme="https"))
    asked = model([listener(80, server(routes=(route("r", redirect),))), listener(443, server("other"))])
    sockets = {"default/gw/80": Socket("127.0.0.1", 10080), "default/gw/443": Socket("127.0.0.1", 10443)}
    found = parsed(build(asked, Placement(sockets=sockets)).snapshot, ROUTES)["default/gw/80"]
    assert [each.redirect.port_redirect for each in found.virtual_hosts[0].routes] == [10443]


def test_virtual_hosts_of_equal_routes_are_not_built_again() -> None:
    cache = BuildCache()
    build(_model("/a", "/b"), cache=cache)
    first = [sheet._hosts for sheet in cache.sheets.values() if sheet._hosts]
    build(_model("/a", "/b"), cache=cache)
    second = [sheet._hosts for sheet in cache.sheets.values() if sheet._hosts]
    assert [{name: id(host) for name, host in each.items()} for each in second] == [
        {name: id(host) for name, host in each.items()} for each in first
    ]
    assert second != []
    build(_model("/a", "/c"), cache=cache)
    third = [sheet._hosts for sheet in cache.sheets.values() if sheet._hosts]
    assert third != second
