"""What scripts need to know of a service that they call."""

from datetime import timedelta
from typing import Any

from anygate.envoy.refusal import CannotBuild
from anygate.model.origin import Origin
from anygate.urls import split_url

_TIMEOUT = timedelta(seconds=3)


def call_settings(url: str, backend: str, timeout: timedelta | None, origin: Origin) -> dict[str, Any]:
    """The entries of a script's context by which it calls a URL; raises CannotBuild if that is none."""
    parts = split_url(url)
    if not (parts.hostname and backend):
        raise CannotBuild(origin, f"{url!r} is no URL of an endpoint")
    path = parts._replace(scheme="", netloc="", fragment="").geturl() or "/"
    host = parts.netloc.rpartition("@")[2]
    milliseconds = (timeout or _TIMEOUT).total_seconds() * 1000
    return {"cluster": backend, "host": host, "path": path, "timeout": milliseconds}
