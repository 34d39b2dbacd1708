"""What `anygate convert` says of each feature of APISIX that the Gateway API has no words for, and what it carries."""

from pathlib import Path

import pytest
from certificates import ca_config_map, tls_secret
from running import join, services

from anygate.cli.app import main

HEAD = "apiVersion: apisix.apache.org/v2\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n"
BACKENDS = "    backends: [{serviceName: items, servicePort: 80}]\n"


def rule(match: str = "paths: [/a]", more: str = "") -> str:
    return HEAD.format(kind="ApisixRoute", name="items") + (
        f"  http:\n  - name: items\n    match: {{{match}}}\n{BACKENDS}{more}" + services("items")
    ).replace("apiVersion: v1\n", "---\napiVersion: v1\n", 1)


def plugin(name: str, config: str, more: str = "") -> str:
    return rule(more=f"    plugins:\n    - {{name: {name}, enable: true, config: {{{config}}}}}\n") + more


def upstream(spec: str) -> str:
    route = rule().replace(BACKENDS, "    upstreams: [{name: outside}]\n")
    return join(route, HEAD.format(kind="ApisixUpstream", name="outside") + f"  {spec}\n")


def secured(client: str) -> str:
    spec = f"  hosts: [a.test]\n  secret: {{name: a, namespace: default}}\n  client: {{{client}}}\n"
    authority = ca_config_map("clients").replace("ConfigMap", "Secret").replace("binaryData", "data")
    return join(rule(), HEAD.format(kind="ApisixTls", name="a") + spec, tls_secret("a", "a.test"), authority)


CA = "caSecret: {name: clients, namespace: default}"
CONSUMER = "---\n" + HEAD.format(kind="ApisixConsumer", name="ann")
TOKEN = CONSUMER + "  authParameter: {jwtAuth: {value: {key: ann, secret: a-secret-of-at-least-32-characters!}}}\n"
USER = CONSUMER + "  authParameter: {basicAuth: {value: {username: ann, password: pass}}}\n"
CHASH = "{type: chash, key: arg_user}"
NODES = "externalNodes: [{type: Domain, name: one.example.com, port: 81}]"
STREAM = HEAD.format(kind="ApisixRoute", name="bytes") + (
    "  stream:\n  - name: bytes\n    protocol: TCP\n    match: {ingressPort: 9100}\n"
    "    backend: {serviceName: items, servicePort: 80}\n"
    "    plugins: [{name: ip-restriction, enable: true, config: {whitelist: [10.0.0.0/8]}}]\n"
)

# The rule, the line and the manifests; what is an error keeps everything from being written.
LOSSES = [
    ("warning[convert-prefix]", 6, rule('hosts: ["*x.io"], paths: [/a]')),
    ("warning[convert-prefix]", 7, rule('paths: ["/a*"]')),
    ("warning[convert-prefix]", 7, rule('paths: ["/a/*"]')),
    ("error[convert-condition]", 7, rule("paths: [/a], remoteAddrs: [10.0.0.0/8]")),
    (
        "error[convert-condition]",
        7,
        rule('paths: ["/*"], exprs: [{subject: {scope: Path}, op: RegexMatch, value: html}]'),
    ),
    ("error[apisix-condition]", 7, rule("paths: [/a], filter_func: function")),
    (
        "error[convert-condition]",
        7,
        rule("paths: [/a], exprs: [{subject: {scope: Body, name: model}, op: Equal, value: a}]"),
    ),
    ("warning[convert-setting]", 6, rule(more="    timeout: {send: 30s, read: 9s}\n")),
    ("error[convert-rewrite]", 19, upstream(f"{{passHost: node, {NODES}}}")),
    ("error[convert-rewrite]", 6, plugin("proxy-rewrite", "uri: /new/$arg_a")),
    ("error[convert-rewrite]", 6, plugin("proxy-rewrite", "method: POST")),
    ("error[convert-rewrite]", 6, plugin("redirect", "uri: /to/$arg_a")),
    ("error[convert-rewrite]: copies keep the path", 10, plugin("proxy-mirror", "host: 'http://a.test', path: /copy")),
    ("error[convert-condition]", 7, plugin("redirect", 'regex_uri: ["^/a", /b]')),
    ("warning[convert-setting]", 6, plugin("response-rewrite", "body: hidden")),
    ("warning[convert-setting]", 6, plugin("api-breaker", "break_response_code: 502")),
    ("warning[convert-setting]", 6, plugin("cors", "")),
    (
        "error[convert-security]",
        10,
        plugin("limit-conn", "conn: 1, burst: 2, default_conn_delay: 0.1, key: remote_addr"),
    ),
    ("error[convert-security]", 10, plugin("limit-count", "count: 2, time_window: 60")),
    ("warning[convert-setting]", 10, plugin("limit-count", "count: 2, time_window: 60, allow_degradation: true")),
    ("error[convert-security]", 21, plugin("jwt-auth", "", TOKEN)),
    (
        "warning[convert-setting]: Envoy Gateway hashes into a table",
        19,
        upstream(f"{{loadbalancer: {CHASH}, {NODES}}}"),
    ),
    (
        "warning[convert-setting]: which upgrades are allowed",
        6,
        plugin("client-control", "max_body_size: 10"),
    ),
    (
        "warning[convert-setting]: a connection that was made for one host no longer takes requests for another",
        19,
        secured(CA)
        .replace("  client: {caSecret: {name: clients, namespace: default}}\n", "")
        .replace("[a.test]", "[a.test, b.test]"),
    ),
    ("error[convert-security]", 21, secured(f"{CA}, depth: 3")),
    ("error[convert-condition]", 19, secured(f'{CA}, skip_mtls_uri_regex: ["^/open"]')),
    ("error[convert-security]", 6, STREAM + "---\n" + services("items")),
]


@pytest.mark.parametrize(
    ("said", "line", "manifests"), LOSSES, ids=[f"{at}-{said}" for at, (said, _, _) in enumerate(LOSSES)]
)
def test_a_loss_is_named_at_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], said: str, line: int, manifests: str
) -> None:
    (tmp_path / "in.yaml").write_text(manifests)
    code = main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api"])
    told = capsys.readouterr()
    found = [text.rpartition("in.yaml:")[2] for text in told.err.splitlines() if said in text]
    assert any(text.startswith(f"{line}:") for text in found), told.err
    assert (code, not told.out) == ((1, True) if said.startswith("error") else (0, False))


CARRIED = [
    (rule("paths: [/a], methods: [GET, POST]"), "method: POST"),
    (upstream(f"{{scheme: https, {NODES}}}"), "insecureSkipVerify: true"),
    (upstream(f"{{loadbalancer: {CHASH}, {NODES}}}"), "ConsistentHash"),
    (plugin("ip-restriction", "whitelist: [10.0.0.0/8]"), "defaultAction: Deny"),
    (plugin("ip-restriction", "blacklist: [10.0.0.0/8]"), "defaultAction: Allow"),
    (plugin("basic-auth", "", USER), "basicAuth:"),
    (plugin("client-control", "max_body_size: 10"), "requestBuffer:"),
    (plugin("proxy-mirror", "host: 'http://127.0.0.1:7002', sample_ratio: 0.25"), "type: RequestMirror"),
    (plugin("limit-count", "count: 2, time_window: 60, allow_degradation: true"), "unit: Minute"),
    (rule(more="    websocket: true\n"), "kind: HTTPRoute"),
]


@pytest.mark.parametrize(("manifests", "written"), CARRIED, ids=[written for _, written in CARRIED])
def test_a_feature_is_carried(tmp_path: Path, capsys: pytest.CaptureFixture[str], manifests: str, written: str) -> None:
    (tmp_path / "in.yaml").write_text(manifests)
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api"]) == 0
    assert written in capsys.readouterr().out


def test_what_cannot_be_checked_lets_nobody_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.yaml").write_text(plugin("jwt-auth", "", TOKEN))
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api", "--allow-lossy"]) == 0
    told = capsys.readouterr().out
    assert "authorization:\n    defaultAction: Deny" in told
    assert "jwt:" not in told
    assert "a-secret" not in told


def test_certificates_are_wanted_everywhere_where_some_paths_cannot_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in.yaml").write_text(secured(f'{CA}, skip_mtls_uri_regex: ["^/open"]'))
    assert main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api", "--allow-lossy"]) == 0
    assert "mode: RequireAndVerify" in capsys.readouterr().out


def test_the_report_says_which_keys_a_secret_needs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = secured(CA).replace("tls.crt:", "cert:").replace("tls.key:", "key:")
    (tmp_path / "in.yaml").write_text(text)
    main(["convert", str(tmp_path / "in.yaml"), "--to", "gateway-api", "--report", "-", "--allow-lossy"])
    assert "- Secret/default/a: has to be there, with the keys tls.crt and tls.key" in capsys.readouterr().err
