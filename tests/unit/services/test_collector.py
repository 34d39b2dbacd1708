"""Where spans go: the options, OpenTelemetry's variables, and what becomes of bad ones."""

import pytest

from anygate.errors import EnvironmentProblem
from anygate.services.trace_service import find_collector


def test_nothing_is_asked_for() -> None:
    assert find_collector("", {}) is None
    assert find_collector("", {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}) is None


def test_the_root_gets_the_path_of_traces_and_the_full_url_none() -> None:
    root = find_collector("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://host:4318/otlp/"})
    assert root is not None
    assert root.url == "http://host:4318/otlp/v1/traces"
    env = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://host/in", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://other"}
    full = find_collector("", env)
    assert full is not None
    assert full.url == "https://host/in"
    asked = find_collector("http://asked", env)
    assert asked is not None
    assert asked.url == "http://asked/v1/traces"


def test_headers_are_read_and_not_shown() -> None:
    found = find_collector("http://host", {"OTEL_EXPORTER_OTLP_HEADERS": "Api-Key=a%3Db%20c, other = d,,=x"})
    assert found is not None
    assert found.headers == {"api-key": "a=b c", "other": "d"}
    assert "a=b" not in repr(found)


@pytest.mark.parametrize("endpoint", ["host:4318", "ftp://host", "http://", "/path"])
def test_what_is_no_url_is_refused(endpoint: str) -> None:
    with pytest.raises(EnvironmentProblem, match="no http"):
        find_collector(endpoint, {})
