"""Secrets of a stack are shown nowhere but in the files that they are for."""

import pytest
from stacks import DOMAIN, diagnose, make, shop

from anygate.diagnostics import Report
from anygate.diagnostics.render_json import render_json
from anygate.diagnostics.render_text import render_text
from anygate.dialects.apisix.links.plan import make_plan
from anygate.dialects.apisix.links.secrets import redact_line

SECRET = "hunter2-hunter2-hunter2"
GATEWAY = DOMAIN + "apisix: {{gateways: [{{name: a, subdomain: a, api_key: {}, corss: 1}}]}}\n"


@pytest.mark.parametrize(
    "text",
    [
        GATEWAY.format(SECRET),
        GATEWAY.format(f"'{SECRET}'"),
        GATEWAY.format(f"{{env: X, value: {SECRET}}}").replace("value", "api_key"),
        shop(f"corss: 1\napisix_oidc_param: {{client_secret: {SECRET}, x: y}}"),
        shop(f"apisix_oidc_enable: true\napisix_oidc_param: |\n  client_id: x\n  client_secret: {SECRET}\n  a: [\n"),
        shop(f"apisix_oidc_enable: true\napisix_oidc_param:\n  session: {{secret: {SECRET}}}\n  client_id: ''"),
        shop(f"headers: |\n  nonsense\n  Authorization: Bearer {SECRET}\n"),
        shop(f"headers:\n  Authorization: Bearer {SECRET}\n  corss: 1\ncorss: 1"),
        f"{DOMAIN}apisix: {{gateways: [{{api_key: {SECRET}, name: a}}]\n",
        f"{DOMAIN}apisix:\n  gateways:\n  - api_key: '{SECRET}\n",
        f"{DOMAIN}apisix:\n  gateways:\n  - api_key: {SECRET}\n    api_key: {SECRET}\n",
        shop(f"rate_limiting: {{redis_password: {SECRET}, nonsense: 1}}"),
        DOMAIN + f"apisix:\n  gateways:\n  - name: a\n    corss: 1\n    api_key: |\n      {SECRET}\n",
        f'{{"domain": "lab.test", "apisix": {{"gateways": [{{"name": "a", "corss": 1, "api_key": "a\\"{SECRET}"}}]}}}}',
        f'{{"domain": "lab.test", "apisix": {{"gateways": [{{"name": "a", "api_key": "{SECRET}", }}, ]}}',
    ],
)
def test_diagnostics_show_no_secret(text: str) -> None:
    found = diagnose(text)
    assert found
    for rendered in (render_text(found), render_json(found)):
        assert SECRET not in rendered


def test_positions_stay_where_they_are() -> None:
    found = [one for one in diagnose(GATEWAY.format("k")) if one.rule == "stack-unknown-field"]
    span = found[0].span
    assert span is not None
    assert GATEWAY.format("k").splitlines()[span.line - 1][span.column - 1 :].startswith("corss")


def test_a_diff_shows_no_secret() -> None:
    text = GATEWAY.format(SECRET).replace(", corss: 1", "") + (
        "components: [{name: b, type: external_source_code}]\nlinks: [{link: gateway-external_source_code}]\n"
    )
    made = make(text)
    assert SECRET in made.routes["gateway.yaml"]
    shown = make_plan(made.routes, {}, Report()).render_diff()
    assert SECRET not in shown
    assert "+        key: <redacted>\n" in shown
    changed = {name: one.replace(SECRET, "other") for name, one in made.routes.items()}
    shown = make_plan(made.routes, changed, Report()).render_diff()
    assert "other" not in shown
    assert "-        key: <redacted>\n+        key: <redacted>\n" in shown


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("+            Authorization: Bearer abc", "+            Authorization: <redacted>"),
        ("-            x-api-key: abc", "-            x-api-key: <redacted>"),
        ("             client_secret: abc", "             client_secret: <redacted>"),
        ("             key: remote_addr", "             key: remote_addr"),
        ("+          secretRef: flow-oidc", "+          secretRef: flow-oidc"),
        ("+    namespace: secret", "+    namespace: secret"),
        ("+  secret:", "+  secret:"),
    ],
)
def test_lines_of_a_diff(line: str, shown: str) -> None:
    assert redact_line(line) == shown
