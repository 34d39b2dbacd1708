"""prometheus and opentelemetry: what their configurations and the settings make of rules and of the gateway."""

from datetime import timedelta
from typing import Any

import pytest
from test_apisix_traffic_plugins import TEXT, rule_of, said_of

from anygate.compiler import read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.explain.applied import describe_rule
from anygate.model import Model
from anygate.model.listener import Gateway
from anygate.model.telemetry import Collector, Exporter, SpanSource
from anygate.model.text import Text, Variable
from anygate.model.tls import Opaque

SETTINGS = """
---
apiVersion: anygate.dev/v1alpha1
kind: ApisixSettings
metadata: {name: mine}
spec:
"""
ON = "{sampler: {name: always_on}}"


def read(name: str, config: str, settings: str = "") -> tuple[Model, Gateway, list[str]]:
    report = Report()
    text = TEXT.format(name=name, config=config) + (SETTINGS + f"  {settings}\n" if settings else "")
    model = read_sources([SourceFile("in.yaml", text)], report).model
    return model, model.gateways[0], [one.rule for one in report.diagnostics]


def test_requests_are_counted_by_ids_or_by_names() -> None:
    by_id, by_name = rule_of("prometheus", "{}").metering, rule_of("prometheus", "{prefer_name: true}").metering
    assert by_id is not None
    assert by_name is not None
    assert (by_name.route, by_name.service) == ("default_one_one", "default_one_0")
    assert (by_id.route, by_id.service, by_id.caller) == ("67786437", "ba79bb43", "x-consumer-username")


def test_the_exporter_is_where_apisix_has_it_or_where_the_settings_say() -> None:
    _, gateway, _ = read("prometheus", "{}")
    assert gateway.exporter == Exporter(origin=gateway.origin)
    assert (Exporter(origin=gateway.origin).address, Exporter(origin=gateway.origin).port) == ("127.0.0.1", 9091)
    _, gateway, _ = read("prometheus", "{}", 'prometheus: {address: "::1", port: 9000, path: /numbers}')
    assert gateway.exporter == Exporter(origin=gateway.origin, address="::1", port=9000, path="/numbers")
    assert read("cors", "{}")[1].exporter is None


@pytest.mark.parametrize(
    ("config", "share", "follow"),
    [
        (ON, 1.0, False),
        ("{sampler: {name: trace_id_ratio, options: {fraction: 0.25}}}", 0.25, False),
        ("{sampler: {name: parent_base}}", 0.0, True),
        ("{sampler: {name: parent_base, options: {root: {name: always_on}}}}", 1.0, True),
        (
            "{sampler: {name: parent_base, options: {root: {name: trace_id_ratio, options: {fraction: 0.5}}}}}",
            0.5,
            True,
        ),
    ],
)
def test_samplers(config: str, share: float, follow: bool) -> None:
    trace = rule_of("opentelemetry", config).trace
    assert trace is not None
    assert (trace.share, trace.follow) == (share, follow)


@pytest.mark.parametrize("config", ["{}", "{sampler: {name: trace_id_ratio}}"])
def test_a_sampler_that_samples_nothing_leaves_requests_alone(config: str) -> None:
    assert rule_of("opentelemetry", config).trace is None
    assert read("opentelemetry", config)[1].collector is None


def test_attributes_are_apisixs_and_those_that_are_asked_for() -> None:
    more = "additional_attributes: [http_x_user, route_name], additional_header_prefix_attributes: [X-Tag]"
    trace = rule_of("opentelemetry", f"{{sampler: {{name: always_on}}, {more}}}").trace
    assert trace is not None
    found = dict(trace.attributes)
    assert found["apisix.route_name"] == found["route_name"] == "default_one_one"
    assert found["http_x_user"] == Text(parts=(Variable(kind="header", name="x-user"),))
    assert found["X-Tag"] == Text(parts=(Variable(kind="header", name="x-tag"),))


def test_what_no_span_can_have_is_said() -> None:
    more = "additional_attributes: [pid], additional_header_prefix_attributes: ['x-*']"
    assert said_of("opentelemetry", f"{{sampler: {{name: always_on}}, {more}}}") == {
        "additional_attributes.0": "apisix-plugin-variable",
        "additional_header_prefix_attributes.0": "apisix-not-honoured",
    }


def test_the_collector_is_where_apisix_has_it_or_where_the_settings_say() -> None:
    _, gateway, _ = read("opentelemetry", ON)
    assert gateway.collector == Collector(origin=gateway.origin, url="http://127.0.0.1:4318/v1/traces")
    (server,) = gateway.listeners[0].servers
    assert server.spans == SpanSource(service="APISIX")
    model, gateway, _ = read(
        "opentelemetry",
        ON,
        "opentelemetry: {collector: {address: 'https://otel:9', requestTimeout: 7, requestHeaders: {token: hidden}},"
        " resource: {service.name: shop, team: a, big: true}}",
    )
    assert gateway.collector == Collector(
        origin=gateway.origin,
        url="https://otel:9/v1/traces",
        timeout=timedelta(seconds=7),
        headers=(("token", "apisix/collector/token"),),
    )
    (held,) = (one for one in model.secrets if isinstance(one, Opaque))
    assert held.value.reveal_text() == "hidden"
    assert "hidden" not in repr(model)
    assert gateway.listeners[0].servers[0].spans == SpanSource(
        service="shop", resource=(("team", "a"), ("big", "true"))
    )


@pytest.mark.parametrize(
    "settings",
    [
        "prometheus: {address: localhost}",
        "prometheus: {path: numbers}",
        "prometheus: {port: 0}",
        "opentelemetry: {collector: {address: 'ftp://a'}}",
        "opentelemetry: {traceIdSource: x-request-id}",
    ],
)
def test_settings_that_cannot_be_are_refused(settings: str) -> None:
    assert read("prometheus", "{}", settings)[2]


def test_traces_are_explained() -> None:
    def said(config: str) -> list[Any]:
        return [one.text for one in describe_rule(rule_of("opentelemetry", config)) if one.kind == "trace"]

    assert said(ON) == ["spans of 100% of the requests"]
    assert said("{sampler: {name: parent_base, options: {root: {name: always_on}}}}") == [
        "spans of 100% of the requests that bring no decision of their own"
    ]
