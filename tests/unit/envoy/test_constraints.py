import json
import subprocess
from typing import Any

import pytest

from anygate.envoy import constraints
from anygate.envoy.api import build, message, struct, to_json, typed, uint32
from anygate.envoy.binary import executable
from anygate.envoy.descriptors import load_files
from anygate.envoy.value_rules import Unsupported, predicates

BOOTSTRAP = "envoy.config.bootstrap.v3.Bootstrap"
CLUSTER = "envoy.config.cluster.v3.Cluster"
LISTENER = "envoy.config.listener.v3.Listener"
MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTE = "envoy.config.route.v3.Route"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"
LOCAL_LIMIT = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"

IN_LISTENER = "static_resources.listeners[0]"
IN_MANAGER = f"{IN_LISTENER}.filter_chains[0].filters[0].typed_config"
IN_HOST = f"{IN_MANAGER}.route_config.virtual_hosts[0]"
IN_ROUTE = f"{IN_HOST}.routes[0]"
IN_CLUSTER = "static_resources.clusters[0]"


def bootstrap(
    listener: Any = None,
    manager: Any = None,
    host: Any = None,
    route: Any = None,
    cluster: Any = None,
    filters: Any = (),
    filter_name: str = "http",
) -> Any:
    """A good configuration, apart from the fields that the caller replaces. None takes a field away."""
    plain_route = {"match": {"prefix": "/"}, "route": {"cluster": "c"}} | (route or {})
    plain_host = {"name": "v", "domains": ["*"], "routes": [plain_route]} | (host or {})
    plain_manager = {
        "stat_prefix": "s",
        "route_config": {"name": "r", "virtual_hosts": [plain_host]},
        "http_filters": [*filters, *router()],
    } | (manager or {})
    plain_listener = {
        "name": "l",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
        "filter_chains": [{"filters": [{"name": filter_name, "typed_config": typed(MANAGER, **plain_manager)}]}],
    } | (listener or {})
    plain_cluster = {"name": "c", "type": "STATIC", "connect_timeout": {"seconds": 1}} | (cluster or {})
    return build(BOOTSTRAP, static_resources={"listeners": [plain_listener], "clusters": [plain_cluster]})


def header(key: str, value: str) -> dict[str, Any]:
    return {"request_headers_to_add": [{"header": {"key": key, "value": value}}]}


def address(**fields: Any) -> dict[str, Any]:
    return {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0} | fields}}


def bucket(**fields: Any) -> dict[str, Any]:
    return {"max_tokens": 1, "fill_interval": {"seconds": 1}} | fields


def local_limit(**fields: Any) -> list[Any]:
    return [{"name": "limit", "typed_config": typed(LOCAL_LIMIT, **fields)}]


def router(**fields: Any) -> list[Any]:
    return [{"name": "router", "typed_config": typed(ROUTER, **fields)}]


def weights(*names: str) -> dict[str, Any]:
    clusters = [{"name": name, "weight": uint32(1)} for name in names]
    return {"route": {"weighted_clusters": {"clusters": clusters}}}


GOOD = {
    "plain": {},
    "header value at its limits": {"route": header("x-a", "\tv")},
    "last port": {"listener": address(port_value=65535)},
    "redirect": {"route": {"route": None, "redirect": {"host_redirect": "h", "response_code": "FOUND"}}},
    "weights": {"route": weights("c")},
    "local limit": {"filters": local_limit(stat_prefix="l", token_bucket=bucket(tokens_per_fill=uint32(1)))},
    "struct metadata": {"route": {"metadata": {"filter_metadata": {"x": struct({"": {"": [None]}})}}}},
    "header in the list": {"manager": {"http_filters": router(strict_check_headers=["x-envoy-max-retries"])}},
}

BAD = {
    "no stat prefix": ({"manager": {"stat_prefix": None}}, f"{IN_MANAGER}.stat_prefix"),
    "no routes at all": ({"manager": {"route_config": None}}, f"{IN_MANAGER}.route_specifier"),
    "filter without name": ({"filter_name": ""}, f"{IN_LISTENER}.filter_chains[0].filters[0].name"),
    "port too large": (
        {"listener": address(port_value=70_000)},
        f"{IN_LISTENER}.address.socket_address.port_value",
    ),
    "no port": (
        {"listener": address(port_value=None)},
        f"{IN_LISTENER}.address.socket_address.port_specifier",
    ),
    "no domains": ({"host": {"domains": []}}, f"{IN_HOST}.domains"),
    "host without name": ({"host": {"name": ""}}, f"{IN_HOST}.name"),
    "no action": ({"route": {"route": None}}, f"{IN_ROUTE}.action"),
    "no match": ({"route": {"match": None}}, f"{IN_ROUTE}.match"),
    "empty match": ({"route": {"match": {}}}, f"{IN_ROUTE}.match.path_specifier"),
    "no cluster": ({"route": {"route": {}}}, f"{IN_ROUTE}.route.cluster_specifier"),
    "empty cluster": ({"route": {"route": {"cluster": ""}}}, f"{IN_ROUTE}.route.cluster"),
    "line break in header name": (
        {"route": header("a\nb", "v")},
        f"{IN_ROUTE}.request_headers_to_add[0].header.key",
    ),
    "line break at the end": (
        {"route": header("a\n", "v")},
        f"{IN_ROUTE}.request_headers_to_add[0].header.key",
    ),
    "line break in header value": (
        {"route": header("a", "v\r")},
        f"{IN_ROUTE}.request_headers_to_add[0].header.value",
    ),
    "empty header name": ({"route": header("", "v")}, f"{IN_ROUTE}.request_headers_to_add[0].header.key"),
    "undefined redirect code": (
        {"route": {"route": None, "redirect": {"response_code": 99}}},
        f"{IN_ROUTE}.redirect.response_code",
    ),
    "status out of range": (
        {"route": {"route": None, "direct_response": {"status": 600}}},
        f"{IN_ROUTE}.direct_response.status",
    ),
    "too many headers": (
        {"route": {"request_headers_to_add": [{"header": {"key": "a"}}] * 1001}},
        f"{IN_ROUTE}.request_headers_to_add",
    ),
    "no weights": ({"route": weights()}, f"{IN_ROUTE}.route.weighted_clusters.clusters"),
    "back-off of nothing": (
        {"route": {"route": {"cluster": "c", "retry_policy": {"retry_back_off": {"base_interval": {}}}}}},
        f"{IN_ROUTE}.route.retry_policy.retry_back_off.base_interval",
    ),
    "no back-off": (
        {"route": {"route": {"cluster": "c", "retry_policy": {"retry_back_off": {}}}}},
        f"{IN_ROUTE}.route.retry_policy.retry_back_off.base_interval",
    ),
    "cluster without name": ({"cluster": {"name": ""}}, f"{IN_CLUSTER}.name"),
    "no time to connect": ({"cluster": {"connect_timeout": {}}}, f"{IN_CLUSTER}.connect_timeout"),
    "undefined policy": ({"cluster": {"lb_policy": 77}}, f"{IN_CLUSTER}.lb_policy"),
    "more than all ejected": (
        {"cluster": {"outlier_detection": {"max_ejection_percent": uint32(101)}}},
        f"{IN_CLUSTER}.outlier_detection.max_ejection_percent",
    ),
    "metadata without namespace": (
        {"route": {"metadata": {"filter_metadata": {"": struct({})}}}},
        f'{IN_ROUTE}.metadata.filter_metadata[""]',
    ),
    "limit without prefix": (
        {"filters": local_limit()},
        f"{IN_MANAGER}.http_filters[0].typed_config.stat_prefix",
    ),
    "limit that fills with nothing": (
        {"filters": local_limit(stat_prefix="s", token_bucket=bucket(tokens_per_fill=uint32(0)))},
        f"{IN_MANAGER}.http_filters[0].typed_config.token_bucket.tokens_per_fill",
    ),
    "header not in the list": (
        {"manager": {"http_filters": router(strict_check_headers=["nope"])}},
        f"{IN_MANAGER}.http_filters[0].typed_config.strict_check_headers[0]",
    ),
    "per-route limit without prefix": (
        {"route": {"typed_per_filter_config": {"envoy.filters.http.local_ratelimit": typed(LOCAL_LIMIT)}}},
        f'{IN_ROUTE}.typed_per_filter_config["envoy.filters.http.local_ratelimit"].stat_prefix',
    ),
}


def envoy_verdict(built: Any, folder: Any) -> str:
    """What the real Envoy says against a bootstrap: nothing if it is good."""
    path = folder / "bootstrap.json"
    path.write_text(json.dumps(to_json(built)))
    command = [executable(), "--mode", "validate", "--log-level", "error", "-c", path]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return "" if ended.returncode == 0 else ended.stderr


@pytest.mark.parametrize("case", GOOD)
def test_what_envoy_accepts_is_accepted(case, tmp_path):
    built = bootstrap(**GOOD[case])
    assert envoy_verdict(built, tmp_path) == "", "Envoy refuses it"
    assert constraints.check(built) == []


@pytest.mark.parametrize("case", BAD)
def test_what_envoy_refuses_is_refused(case, tmp_path):
    fields, path = BAD[case]
    built = bootstrap(**fields)
    verdict = envoy_verdict(built, tmp_path)
    assert "constraint validation failed" in verdict
    assert [violation.path for violation in constraints.check(built)] == [path]


def all_messages() -> list[str]:
    names = []

    def walk(messages: Any, above: str) -> None:
        for found in messages:
            name = f"{above}.{found.name}" if above else found.name
            names.append(name)
            walk(found.nested_type, name)

    for body in load_files(executable()):
        file = message("google.protobuf.FileDescriptorProto").FromString(body)
        walk(file.message_type, file.package)
    return names


def test_every_rule_in_envoys_api_is_known():
    names = all_messages()
    assert len(names) > 1500
    assert [rule for name in names for rule in constraints.unsupported(name)] == []


def test_every_message_can_be_checked_when_it_is_empty():
    for name in all_messages():
        constraints.check(message(name)())


def test_all_violations_are_reported_in_words():
    routes = [
        {"match": {"prefix": "/"}, "route": {"cluster": "c"}},
        {"match": {}, "redirect": {"response_code": 9}},
    ]
    built = build(
        "envoy.config.route.v3.RouteConfiguration",
        virtual_hosts=[{"name": "v", "domains": ["*"], "routes": routes}, {"domains": ["a", ""]}],
    )
    assert constraints.check(built) == [
        (
            "virtual_hosts[0].routes[1].match.path_specifier",
            "one of prefix, path, safe_regex, connect_matcher, path_separated_prefix, path_match_policy must be set",
        ),
        (
            "virtual_hosts[0].routes[1].redirect.response_code",
            "must be a value of envoy.config.route.v3.RedirectAction.RedirectResponseCode",
        ),
        ("virtual_hosts[1].name", "must have at least 1 character"),
    ]


def test_any_is_opened_at_any_depth():
    bad = typed("google.protobuf.Any", type_url=typed(MANAGER).type_url)
    built = build(LISTENER, filter_chains=[{"filters": [{"name": "f", "typed_config": bad}]}])
    assert {violation.path for violation in constraints.check(built)} == {
        "filter_chains[0].filters[0].typed_config.stat_prefix",
        "filter_chains[0].filters[0].typed_config.route_specifier",
    }
    assert len(constraints.check(bad)) == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type_url": "type.googleapis.com/a.Nope"}, "unknown type"),
        ({"type_url": "type.googleapis.com/" + ROUTER, "value": b"\xff"}, f"cannot be read as {ROUTER}"),
    ],
)
def test_any_that_cannot_be_opened_is_a_violation(fields, words):
    built = build(ROUTE, match={"prefix": "/"}, route={"cluster": "c"}, typed_per_filter_config={"x": fields})
    ((path, text),) = constraints.check(built)
    assert path == 'typed_per_filter_config["x"]'
    assert words in text


def broken(rules: str, value: Any, **fields: Any) -> list[str]:
    built = message(f"validate.{rules}")(**fields)
    return [each.text for each in predicates(built, None) if not each.holds(value)]


@pytest.mark.parametrize(
    ("rules", "fields", "good", "bad"),
    [
        ("StringRules", {"const": "a"}, ["a"], ["b"]),
        ("StringRules", {"len": 2}, ["éé"], ["é", "eee"]),
        ("StringRules", {"len_bytes": 2}, ["é"], ["e"]),
        ("StringRules", {"min_bytes": 2, "max_bytes": 3}, ["é", "éa"], ["e", "éé"]),
        ("StringRules", {"min_len": 1, "ignore_empty": True, "prefix": "%"}, ["", "%a"], ["a"]),
        ("StringRules", {"pattern": r"^$|^.*\.mmdb$"}, ["", "a.mmdb"], ["a.mmdb\n", "\n", "ammdb"]),
        ("StringRules", {"pattern": r"^[a$]\$[\]$]$"}, ["$$$", "a$]"], ["$$$\n", "b$$"]),
        ("StringRules", {"contains": "b", "not_contains": "c", "suffix": "d"}, ["abd"], ["ad", "abcd", "ab"]),
        ("StringRules", {"in": ["a", "b"]}, ["a"], ["c"]),
        ("StringRules", {"not_in": ["a", "b"]}, ["c"], ["a"]),
        ("StringRules", {"well_known_regex": 1}, [":path", "x-a"], ["", "a b", "a\n", "::a"]),
        ("StringRules", {"well_known_regex": 2}, ["", "a\tb é"], ["a\x01", "a\n", "\x7f"]),
        ("StringRules", {"well_known_regex": 1, "strict": False}, ["a b", "a\x01"], ["a\n", "a\0"]),
        ("BytesRules", {"min_len": 2, "max_len": 3, "prefix": b"a"}, [b"ab"], [b"a", b"abcd", b"ba"]),
        ("UInt32Rules", {"gte": 2, "lt": 4}, [2, 3], [1, 4]),
        ("DoubleRules", {"gt": 0.5, "lte": 1}, [0.6, 1.0], [0.5, 1.1]),
        ("Int64Rules", {"in": [1, 2], "not_in": [2]}, [1], [2, 3]),
        ("UInt32Rules", {"gte": 200, "ignore_empty": True}, [0, 200], [199]),
        ("BoolRules", {"const": True}, [True], [False]),
    ],
)
def test_each_kind_of_rule(rules, fields, good, bad):
    assert [value for value in good if broken(rules, value, **fields)] == []
    assert [value for value in bad if not broken(rules, value, **fields)] == []


def test_spans_of_time_are_compared_exactly():
    second = message("google.protobuf.Duration")
    rules = {"gt": {"nanos": 1}, "lte": {"seconds": 1}}
    assert broken("DurationRules", second(seconds=1), **rules) == []
    assert broken("DurationRules", second(nanos=1), **rules) == ["must be greater than 0.000000001s"]
    assert broken("DurationRules", second(seconds=1, nanos=1), **rules) == ["must be at most 1s"]
    assert broken("DurationRules", second(seconds=2), **{"in": [{"seconds": 1}]}) == ["must be one of 1s"]


@pytest.mark.parametrize(
    ("rules", "fields"),
    [
        ("StringRules", {"email": True}),
        ("TimestampRules", {"lt_now": True}),
        ("Int32Rules", {"lt": 1, "gt": 5}),
    ],
)
def test_an_unknown_rule_is_named(rules, fields):
    with pytest.raises(Unsupported, match=rules):
        broken(rules, None, **fields)
