"""Health checks of instances of ai-proxy-multi."""

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Surroundings
from anygate.manifests.fields import Many
from anygate.model.backend import ActiveCheck, HttpCheck

_STATUSES = range(200, 600)


class Healthy(Config):
    """When an instance counts as healthy."""

    interval: int = Field(default=1, ge=1)
    http_statuses: Many[int] = (200, 302)
    successes: int = Field(default=2, ge=1, le=254)


class Unhealthy(Config):
    """When it no longer does."""

    interval: int = Field(default=1, ge=1)
    http_statuses: Many[int] = (429, 404, 500, 501, 502, 503, 504, 505)
    http_failures: int = Field(default=5, ge=1, le=254)
    tcp_failures: int = Field(default=2, ge=1, le=254)
    timeouts: int = Field(default=3, ge=1, le=254)


class Active(Config):
    """Probes."""

    type: Literal["http", "https", "tcp"] = "http"
    timeout: float = Field(default=1.0, gt=0)
    concurrency: int = 10
    host: str | None = None
    port: int | None = None
    http_path: str = "/"
    https_verify_certificate: bool = True
    req_headers: Many[str] = ()
    healthy: Healthy = Field(default_factory=Healthy)
    unhealthy: Unhealthy = Field(default_factory=Unhealthy)


class Checks(Config):
    """Checks of one instance."""

    active: Active


def read_check(checks: Checks | None, path: FieldPath, surroundings: Surroundings) -> ActiveCheck | None:
    """The probes; an answer that is in neither list counts as healthy."""
    if checks is None:
        return None
    active, place = checks.active, (*path, "active")
    unheard: dict[str, Any] = {
        "concurrency": "Envoy decides by itself how many are probed at a time",
        "port": "the port is probed that requests go to",
        "req_headers": "probes are sent without headers of their own",
        "https_verify_certificate": "certificates are verified as for requests",
    }
    for name, text in unheard.items():
        if name in active.model_fields_set:
            surroundings.note(NOT_HONOURED, text, (*place, name))
    http = None
    if active.type != "tcp":
        bad = set(active.unhealthy.http_statuses) - set(active.healthy.http_statuses)
        statuses = tuple(one for one in _STATUSES if one not in bad)
        http = HttpCheck(path=active.http_path, host=active.host or "", statuses=statuses)
    failures = active.unhealthy.tcp_failures if http is None else active.unhealthy.http_failures
    return ActiveCheck(
        kind="tcp" if http is None else "http",
        http=http,
        timeout=timedelta(seconds=active.timeout),
        interval=timedelta(seconds=active.healthy.interval),
        unhealthy_interval=timedelta(seconds=active.unhealthy.interval),
        unhealthy_threshold=failures,
        healthy_threshold=active.healthy.successes,
    )
