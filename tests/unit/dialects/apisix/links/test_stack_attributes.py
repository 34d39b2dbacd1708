"""Each attribute of a link, and the YAML that it becomes."""

import pytest
from stacks import config, diagnose, find, make, plugins, read_objects, rules, shop

LIMIT = {
    "count": 100,
    "time_window": 60,
    "key_type": "var",
    "key": "remote_addr",
    "policy": "local",
    "rejected_code": 429,
}
CORS = {"allow_origins": "*", "allow_methods": "*", "allow_headers": "*"}
FORWARDED = {"X-Forwarded-Proto": "https", "X-Forwarded-Port": "443"}
OIDC = (
    "apisix_oidc_enable: true\napisix_oidc_secret: shop-oidc\n"
    "apisix_oidc_param: {client_id: shop, discovery: https://sso.example.org/}"
)


def route(attributes: str, rest: str = "") -> dict:
    return find(make(shop(attributes, rest)), "fastapi.yaml", "ApisixRoute", "shop-route")["http"][0]


def tls(attributes: str, rest: str = "") -> list[dict]:
    objects = read_objects(make(shop(attributes, rest)).routes["fastapi.yaml"])
    return [one["spec"] for one in objects if one["kind"] == "ApisixTls"]


def test_a_bare_link_has_no_plugins() -> None:
    assert route("") == {
        "name": "shop",
        "match": {"hosts": ["shop.lab.example.org"], "paths": ["/*"]},
        "upstreams": [{"name": "shop-upstream"}],
    }


@pytest.mark.parametrize("word", ["true", '"true"', "yes", "1", '"1"', "on", "True"])
def test_words_for_true(word: str) -> None:
    assert route(f"websocket: {word}")["websocket"] is True
    assert config(f"cors: {word}", "cors") == CORS


@pytest.mark.parametrize("word", ["false", "no", "0", '"off"', "null"])
def test_words_for_false(word: str) -> None:
    assert "websocket" not in route(f"websocket: {word}")
    assert plugins(f"cors: {word}\nrate_limiting: {word}\nwhitelist: {word}\nproxy_rewrite: {word}") == {}


def test_subdomains() -> None:
    text = shop().replace("subdomain: shop", "subdomain: SHOP")
    assert find(make(text), "fastapi.yaml", "ApisixTls", "shop-tls")["hosts"] == ["shop.lab.example.org"]
    assert rules(shop().replace("subdomain: shop", "subdomain: a.b")) == ["tls-coverage"]
    for wrong in ("a..b", "-a", "a_b", '"{{ name }}"', "${NAME}", '""', "x" * 64):
        assert rules(shop().replace("subdomain: shop", f"subdomain: {wrong}")) == ["subdomain"], wrong


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("cors: {allow_origins: https://a.example}", {**CORS, "allow_origins": "https://a.example"}),
        ("cors_headers: |\n  allow_origins: https://a.example\n  max_age: 60", None),
        ("cors: true\ncors_headers: {max_age: 9}", {**CORS, "max_age": 9}),
        ("cors: |\n  expose_headers: X-Total", {**CORS, "expose_headers": "X-Total"}),
    ],
)
def test_cors(attributes: str, expected: dict | None) -> None:
    assert config(attributes, "cors") == (expected or {**CORS, "allow_origins": "https://a.example", "max_age": 60})


def test_cors_mistakes() -> None:
    assert rules(shop("cors: false\ncors_headers: {max_age: 9}")) == ["attribute-unused"]
    assert rules(shop("cors: {max_aeg: 9}")) == ["unknown-field"]
    assert rules(shop("cors: {allow_credential: true}")) == ["invalid-value"]


@pytest.mark.parametrize(
    ("value", "changed"),
    [
        ("true", {}),
        ("200/30s", {"count": 200, "time_window": 30}),
        ('"10/1m"', {"count": 10, "time_window": 60}),
        ("5/h", {"count": 5, "time_window": 3600}),
        ('{count: "7", time_window: 2m}', {"count": 7, "time_window": 120}),
        ("{key: http_x_user, rejected_msg: slow down}", {"key": "http_x_user", "rejected_msg": "slow down"}),
    ],
)
def test_rate_limits(value: str, changed: dict) -> None:
    assert config(f"rate_limiting: {value}", "limit-count") == LIMIT | changed


def test_rate_limits_of_the_stack() -> None:
    rest = "apisix: {rate_limit: {count: 7, rejected_code: 503}}\n"
    assert config("rate_limiting: true", "limit-count", rest) == LIMIT | {"count": 7, "rejected_code": 503}
    assert config("rate_limiting: 9/2s", "limit-count", rest)["rejected_code"] == 503


@pytest.mark.parametrize("value", ["fast", "10/0s", "0/1s", "10/1y", "[1]", "{count: 0}", "{count: many}", "7"])
def test_rate_limit_mistakes(value: str) -> None:
    assert len(diagnose(shop(f"rate_limiting: {value}"))) == 1


def test_openid_connect() -> None:
    entry = plugins(OIDC)["openid-connect"]
    assert entry["secretRef"] == "shop-oidc"
    assert entry["config"] == {
        "client_id": "shop",
        "discovery": "https://sso.example.org/",
        "scope": "openid",
        "bearer_only": False,
    }


def test_openid_connect_with_everything_inline() -> None:
    text = OIDC.replace("apisix_oidc_secret: shop-oidc\n", "").replace(
        "client_id: shop", "client_id: shop, client_secret: abc, session.secret: 0123456789abcdef"
    )
    entry = plugins(text)["openid-connect"]
    assert "secretRef" not in entry
    assert entry["config"]["session"] == {"secret": "0123456789abcdef"}
    assert rules(shop(text)) == ["inline-secret"]


def test_openid_connect_names_a_secret_of_its_own() -> None:
    text = OIDC.replace("apisix_oidc_secret: shop-oidc\n", "")
    assert plugins(text)["openid-connect"]["secretRef"] == "shop-oidc"
    assert rules(shop(text)) == ["oidc-secret"]


def test_openid_connect_mistakes() -> None:
    assert rules(shop(OIDC.replace("https", "http"))) == ["oidc-plain-http"]
    assert rules(shop(OIDC, "apisix: {tls_secret: null}\n")) == ["oidc-plain-http"]
    assert rules(shop(OIDC.replace("enable: true", "enable: false"))) == ["attribute-unused"] * 2
    assert rules(shop(OIDC.replace("client_id: shop", "client_id: Default Value"))) == ["invalid-value"]
    assert rules(shop(OIDC.replace("client_id: shop", "client_id: shop, session.secret: short"))) == [
        "inline-secret",
        "invalid-value",
    ]


@pytest.mark.parametrize(
    ("attributes", "addresses"),
    [
        ("ip_whitelist: 10.0.0.0/8, 192.0.2.7", ["10.0.0.0/8", "192.0.2.7"]),
        ("whitelist: yes\nip_whitelist: |\n  10.0.0.0/8\n  # mine\n  fd00::/8 ::1", ["10.0.0.0/8", "fd00::/8", "::1"]),
        ("whitelist: [192.0.2.7]", ["192.0.2.7"]),
        ("whitelist: 192.0.2.7", ["192.0.2.7"]),
        ("ip_whitelist: |\n  - 192.0.2.7\n  - 192.0.2.7\n  - 192.0.2.8", ["192.0.2.7", "192.0.2.8"]),
        ("whitelist: true", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]),
    ],
)
def test_whitelists(attributes: str, addresses: list[str]) -> None:
    assert config(attributes, "ip-restriction") == {"whitelist": addresses}


@pytest.mark.parametrize("value", ["10.0.0.0/33", "10.0.0.0/255.0.0.0", "[]", "a.example", "10.0.0"])
def test_whitelist_mistakes(value: str) -> None:
    assert rules(shop(f"ip_whitelist: {value}")) == ["cidr"]


def test_a_whitelist_is_never_dropped_silently() -> None:
    assert rules(shop("whitelist: maybe")) == ["cidr"]
    assert rules(shop("whitelist: true\nip_whitelist: nonsense")) == ["cidr"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("proxy_rewrite: true", {"headers": {"set": FORWARDED}}),
        ("headers: |\n  X-A: b:c\n  X-B: 'd'", {"headers": {"set": {**FORWARDED, "X-A": "b:c", "X-B": "d"}}}),
        ("proxy_rewrite: {uri: /x}", {"uri": "/x"}),
        ("proxy_rewrite: {headers: {X-A: b}}\nheaders: {X-C: d}", {"headers": {"set": {"X-A": "b", "X-C": "d"}}}),
        (
            "proxy_rewrite: {headers: {remove: [X-A]}}\nheaders: {X-C: d}",
            {"headers": {"remove": ["X-A"], "set": {"X-C": "d"}}},
        ),
    ],
)
def test_rewrites(attributes: str, expected: dict) -> None:
    assert config(attributes, "proxy-rewrite") == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("{connect: 5s, send: 1m, read: 300}", ("5s", "60s", "300s")),
        ('{read: "7"}', ("60s", "60s", "7s")),
        ("{connect: 1m30s}", ("90s", "60s", "60s")),
    ],
)
def test_timeouts(value: str, expected: tuple[str, ...]) -> None:
    upstream = find(make(shop(f"apisix_timeout: {value}")), "fastapi.yaml", "ApisixUpstream", "shop-upstream")
    assert upstream["timeout"] == dict(zip(("connect", "send", "read"), expected, strict=True))


@pytest.mark.parametrize("value", ["0", "500ms", "1.5", "-1", "soon", "1d"])
def test_timeout_mistakes(value: str) -> None:
    assert rules(shop(f"apisix_timeout: {{read: {value}}}")) == ["duration"]


@pytest.mark.parametrize(
    ("value", "size"),
    [("10485760", 10485760), ('"7"', 7), ("10m", 10485760), ("10Mi", 10485760), ("1g", 2**30), ("2K", 2048), ("0", 0)],
)
def test_sizes(value: str, size: int) -> None:
    assert config(f"max_body_size: {value}", "client-control") == {"max_body_size": size}


@pytest.mark.parametrize("value", ["-1", "ten", "1.5m", "true", "[1]", "1 tb"])
def test_size_mistakes(value: str) -> None:
    assert rules(shop(f"max_body_size: {value}")) == ["size"]


def test_additional_domains() -> None:
    attributes = "additional_domain: |\n  a.example.com secret=a-tls\n  b.lab.example.org\n  *.c.example secret=c/d"
    assert route(attributes)["match"]["hosts"] == [
        "shop.lab.example.org",
        "a.example.com",
        "b.lab.example.org",
        "*.c.example",
    ]
    assert [(one["hosts"], one["secret"]["namespace"], one["secret"]["name"]) for one in tls(attributes)] == [
        (["shop.lab.example.org", "b.lab.example.org"], "cert-manager", "wildcard-tls-secret"),
        (["a.example.com"], "ingress-apisix", "a-tls"),
        (["*.c.example"], "c", "d"),
    ]
    assert rules(shop("additional_domain: lab.example.org")) == ["tls-coverage"]
    assert rules(shop("additional_domain: [a.example.com tls=x]")) == ["host"]


def test_without_a_certificate_there_is_no_tls() -> None:
    assert tls("", "apisix: {tls_secret: null}\n") == []
    assert [one["hosts"] for one in tls("additional_domain: a.b.c secret=x", "apisix: {tls_secret: null}\n")] == [
        ["a.b.c"]
    ]


def test_order_of_plugins() -> None:
    attributes = (
        f"rate_limiting: true\n{OIDC}\nproxy_rewrite: true\ncors: true\nip_whitelist: 10.0.0.1\nmax_body_size: 1\n"
        "https_redirect: true\nextra_plugins: [{name: gzip, config: {min_length: 1}}, {name: a, enable: false}]"
    )
    assert list(plugins(attributes)) == [
        "client-control",
        "cors",
        "ip-restriction",
        "openid-connect",
        "proxy-rewrite",
        "limit-count",
        "redirect",
        "gzip",
        "a",
    ]
    assert route(attributes)["plugins"][-1] == {"name": "a", "enable": False}


def test_extra_plugins_never_hide_generated_ones() -> None:
    assert rules(shop("cors: true\nextra_plugins: [{name: cors, config: {}}]")) == ["duplicate-plugin"]


def test_paths() -> None:
    assert route("paths: [/a, /b/*]")["match"]["paths"] == ["/a", "/b/*"]
    assert rules(shop("paths: [a]")) == ["invalid-value"]
    assert rules(shop("paths: []")) == ["invalid-value"]


def test_objects_have_labels_and_a_class() -> None:
    for one in read_objects(make(shop(rest="stack: prod\napisix: {ingress_class: edge}\n")).routes["fastapi.yaml"]):
        labels = {key.removeprefix("app.kubernetes.io/"): value for key, value in one["metadata"]["labels"].items()}
        assert labels == {
            "name": "apisix",
            "instance": "apisix",
            "component": "shop",
            "part-of": "prod",
            "managed-by": "anygate",
        }
        assert one["metadata"]["annotations"] == {"k8s.apisix.apache.org/ingress-class": "edge"}
        assert one["spec"]["ingressClassName"] == "edge"
