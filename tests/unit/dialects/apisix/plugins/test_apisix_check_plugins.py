"""The plugins whose checks our own service makes: what they become in the model, and what is said about the rest."""

import json
from datetime import timedelta
from typing import Any

import pytest

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.dialects.gateway_api.write import Options, write_model
from anygate.explain import explain, parse_request
from anygate.explain.applied import describe_rule
from anygate.model import Model
from anygate.model.checks import Check, CsrfCheck, HmacCheck, LdapCheck, WolfApplication, WolfCheck
from anygate.model.edit import Respond
from anygate.model.root import list_rules
from anygate.model.route import HttpRule
from anygate.model.tls import Opaque

ROUTE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: apisix.apache.org/v2
kind: ApisixRoute
metadata: {name: web}
spec:
  http:
    - name: web
      match: {paths: ["/*"]}
      backends: [{serviceName: web, servicePort: 80}]
      plugins: [PLUGINS]
"""
SIGNER = "hmacAuth: {value: {key_id: ann-id, secret_key: key-of-ann}}"
USER = "ldapAuth: {value: {user_dn: 'cn=carl,dc=test'}}"
SHOP = "wolfRBAC: {value: {server: 'https://wolf.test/', appid: shop, header_prefix: ''}}"


def consumer(name: str, parameter: str) -> str:
    return f"""
---
apiVersion: apisix.apache.org/v2
kind: ApisixConsumer
metadata: {{name: {name}}}
spec: {{authParameter: {{{parameter}}}}}
"""


def read(plugins: str, **consumers: str) -> tuple[Model, list[str]]:
    """The model, and what was found."""
    report = Report()
    text = ROUTE.replace("PLUGINS", plugins) + "".join(consumer(name, one) for name, one in consumers.items())
    model = read_sources([SourceFile("in.yaml", text)], report).model
    assert "key-of" not in "".join(map(str, report.diagnostics)).replace(text, "")
    return model, [one.rule for one in report.diagnostics]


def rule_of(model: Model) -> HttpRule:
    return next(rule for rule in list_rules(model) if rule.name.startswith("web"))


def checks_of(plugins: str, **consumers: str) -> tuple[Check, ...]:
    model, found = read(plugins, **consumers)
    assert found == []
    security = rule_of(model).security
    assert security
    return security.checks


def held(model: Model, name: str) -> bytes:
    (found,) = (one for one in model.secrets if one.name == name)
    assert isinstance(found, Opaque)
    return found.value.reveal()


def test_signatures_as_they_are_when_nobody_says_more() -> None:
    (check,) = checks_of("{name: hmac-auth}", ann=SIGNER)
    assert isinstance(check, HmacCheck)
    assert (check.header, check.signed_headers, check.clock_skew) == (
        "x-consumer-username",
        ("date",),
        timedelta(minutes=5),
    )
    assert (check.body_limit, check.hide_credentials, check.anonymous) == (0, False, "")
    assert check.challenge == 'hmac realm="hmac"'


def test_keys_stand_in_a_secret() -> None:
    model, found = read("{name: hmac-auth}", ann=SIGNER, bob=SIGNER.replace("ann", "bob"))
    assert found == []
    security = rule_of(model).security
    assert security
    (check,) = security.checks
    assert isinstance(check, HmacCheck)
    keys = {"ann-id": ["default_ann", "key-of-ann"], "bob-id": ["default_bob", "key-of-bob"]}
    assert json.loads(held(model, check.secret)) == keys


def test_what_a_route_says_of_signatures() -> None:
    config = (
        "allowed_algorithms: [hmac-sha512], clock_skew: 9, signed_headers: [date, host], validate_request_body: true, "
        "max_req_body_size: 77, hide_credentials: true, realm: place, anonymous_consumer: default_ann"
    )
    (check,) = checks_of(f"{{name: hmac-auth, config: {{{config}}}}}", ann=SIGNER)
    assert isinstance(check, HmacCheck)
    assert check.algorithms == ("hmac-sha512",)
    assert (check.clock_skew, check.signed_headers, check.body_limit) == (timedelta(seconds=9), ("date", "host"), 77)
    assert (check.hide_credentials, check.challenge, check.anonymous) == (True, 'hmac realm="place"', "default_ann")


def test_a_key_of_the_former_form_lets_nobody_in() -> None:
    old = "hmacAuth: {value: {access_key: ann-id, secret_key: key-of-ann, clock_skew: 3}}"
    model, found = read("{name: hmac-auth}", ann=old)
    assert sorted(found) == ["apisix-no-consumer", "apisix-not-honoured", "apisix-not-honoured"]
    security = rule_of(model).security
    assert security
    assert security.admission
    assert security.checks == ()


def test_an_empty_key_lets_nobody_in() -> None:
    _, found = read("{name: hmac-auth}", ann=SIGNER.replace("key-of-ann", '""'))
    assert found == ["apisix-no-consumer"]


def test_two_with_one_key() -> None:
    model, found = read("{name: hmac-auth}", bob=SIGNER, ann=SIGNER)
    assert found == ["apisix-same-credential"]
    assert json.loads(held(model, "apisix/consumers/signers")) == {"ann-id": ["default_ann", "key-of-ann"]}


def test_forms() -> None:
    model, found = read("{name: csrf, config: {key: key-of-forms, expires: 60, name: x-token}}")
    assert found == []
    security = rule_of(model).security
    assert security
    (check,) = security.checks
    assert isinstance(check, CsrfCheck)
    assert (check.name, check.lifetime) == ("x-token", timedelta(minutes=1))
    assert held(model, check.secret) == b"key-of-forms"


@pytest.mark.parametrize(
    ("config", "place"),
    [
        ("ldap_uri: 'ldap.test'", ("ldap.test", 389, False, False)),
        ("ldap_uri: 'ldap.test:1389'", ("ldap.test", 1389, False, False)),
        ("ldap_uri: 'ldap.test', use_tls: true, tls_verify: true", ("ldap.test", 636, True, True)),
        ("ldap_uri: 'ldaps://ldap.test'", ("ldap.test", 636, True, False)),
        ("ldap_uri: 'ldap://[::1]:1389'", ("::1", 1389, False, False)),
    ],
)
def test_directories(config: str, place: tuple[Any, ...]) -> None:
    (check,) = checks_of(f"{{name: ldap-auth, config: {{base_dn: dc=test, uid: uid, {config}}}}}", carl=USER)
    assert isinstance(check, LdapCheck)
    assert (check.host, check.port, check.tls, check.verify) == place
    assert (check.attribute, check.base_dn, check.challenge) == ("uid", "dc=test", 'Basic realm="ldap"')
    assert check.users == (("cn=carl,dc=test", "default_carl"),)


@pytest.mark.parametrize("written", ["http://ldap.test", "ldap.test:port", "ldap.test/x", "ann:b@ldap.test", "::1:x"])
def test_what_is_no_address_closes_the_route(written: str) -> None:
    model, found = read(f"{{name: ldap-auth, config: {{base_dn: dc=test, ldap_uri: '{written}'}}}}", carl=USER)
    assert found == ["apisix-plugin-config"]
    action = rule_of(model).action
    assert isinstance(action, Respond)
    assert action.status == 503


def test_applications_of_wolf() -> None:
    model, found = read("{name: wolf-rbac, config: {appid: other}}", shop=SHOP, bare="wolfRBAC: {value: {}}")
    assert found == ["apisix-not-honoured"]
    security = rule_of(model).security
    assert security
    (check,) = security.checks
    assert isinstance(check, WolfCheck)
    assert check.applications == (
        WolfApplication(id="shop", caller="default_shop", server="https://wolf.test"),
        WolfApplication(id="unset", caller="default_bare", server="http://127.0.0.1:12180", header_prefix="X-"),
    )


def test_a_server_that_is_no_url_lets_nobody_in() -> None:
    _, found = read("{name: wolf-rbac}", shop=SHOP.replace("https://", "wolf://"))
    assert sorted(found) == ["apisix-no-consumer", "apisix-not-honoured"]


ALL = (
    "{name: csrf, config: {key: key-of-forms}}, {name: wolf-rbac}, {name: hmac-auth}, "
    "{name: ldap-auth, config: {base_dn: dc=test, ldap_uri: ldap.test}}"
)


def test_all_of_them_in_apisix_order() -> None:
    checks = checks_of(ALL, ann=SIGNER, carl=USER, shop=SHOP)
    assert [type(one) for one in checks] == [CsrfCheck, WolfCheck, LdapCheck, HmacCheck]


def test_they_are_explained() -> None:
    model, _ = read(ALL, ann=SIGNER, carl=USER, shop=SHOP)
    texts = [one.text for one in describe_rule(rule_of(model)) if one.kind == "check"]
    assert len(texts) == 4
    assert "ldap://ldap.test:389" in texts[2]
    assert not any("key-of" in text for text in texts)


@pytest.mark.parametrize(
    ("plugin", "headers", "reason"),
    [
        ("{name: hmac-auth}", [], "the request carries no signature"),
        ("{name: hmac-auth}", ['Authorization: Signature keyId="a"'], ""),
        ("{name: hmac-auth, config: {anonymous_consumer: default_ann}}", [], ""),
        ("{name: csrf, config: {key: k}}", [], "the request carries no token against forgery"),
        ("{name: csrf, config: {key: k}}", ["apisix-csrf-token: x"], ""),
        ("{name: wolf-rbac}", [], "the request carries no token of wolf"),
        ("{name: wolf-rbac}", ["Cookie: x-rbac-token=x"], ""),
        (
            "{name: ldap-auth, config: {base_dn: dc=test, ldap_uri: ldap.test}}",
            [],
            "the request carries no user name and password",
        ),
    ],
)
def test_what_a_request_lacks_is_told(plugin: str, headers: list[str], reason: str) -> None:
    model, _ = read(plugin, ann=SIGNER, carl=USER, shop=SHOP)
    request = parse_request("http://web.test:9080/", method="POST", headers=headers)
    decision = explain(model, request).decision
    assert (decision.reason if decision.status == 401 else "") == reason


def test_a_conversion_without_them_is_refused() -> None:
    model, _ = read("{name: hmac-auth}", ann=SIGNER)
    losses = [one for one in write_model(model, Options()).losses if one.rule.severity == "error"]
    assert any("signatures" in one.message for one in losses)
