"""Where metrics are served and spans go, as APISIX's own configuration says it."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from anygate.dialects.apisix.kinds.values import is_ip
from anygate.manifests.fields import SensitiveText
from anygate.manifests.kind import Node
from anygate.urls import split_url

_PATH = re.compile(r"/[!-~]*")


def _check_ip(value: str) -> str:
    if not is_ip(value):
        raise ValueError("expected an IP address")
    return value


def _check_path(value: str) -> str:
    if not _PATH.fullmatch(value) or "?" in value or "#" in value:
        raise ValueError("expected a path such as /apisix/prometheus/metrics")
    return value


def _check_collector(value: str) -> str:
    url = value if "://" in value else f"http://{value}"
    parts = split_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("expected HOST:PORT, or a URL of http or https")
    return value


class PrometheusSettings(Node):
    """The exporter: `plugin_attr.prometheus` with its `export_addr` and `export_uri`."""

    address: Annotated[str, AfterValidator(_check_ip)] = "127.0.0.1"
    port: int = Field(default=9091, ge=1, le=65535)
    path: Annotated[str, AfterValidator(_check_path)] = "/apisix/prometheus/metrics"


class CollectorSettings(Node):
    """The collector of traces, which takes OTLP over HTTP; the time is in seconds."""

    address: Annotated[str, AfterValidator(_check_collector)] = "127.0.0.1:4318"
    request_timeout: int = Field(default=3, ge=1)
    request_headers: dict[str, SensitiveText] = Field(default_factory=dict)


class OpentelemetrySettings(Node):
    """The metadata of the plugin opentelemetry."""

    collector: CollectorSettings = CollectorSettings()
    resource: dict[str, str | int | float | bool] = Field(default_factory=dict)
    trace_id_source: Literal["random"] = "random"


PROMETHEUS = PrometheusSettings()
OPENTELEMETRY = OpentelemetrySettings()
"""What holds where nothing is chosen."""
