"""forward-auth: another service decides. https://apisix.apache.org/docs/apisix/plugins/forward-auth/"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.changes import with_security
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.nginx_pages import CONTENT_TYPE, render_page
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.values import Answerable, Scalars
from anygate.dialects.apisix.plugins.variables import hide, read_text
from anygate.dialects.url_backend import build_url_backend
from anygate.manifests.fields import Many
from anygate.model.edit import Respond
from anygate.model.route import HttpRule
from anygate.model.security import ForwardAuth
from anygate.model.text import Kind, Text, Value, Variable

_HOST = "X-Forwarded-Host"
_TOLD: tuple[tuple[str, Kind], ...] = (
    ("X-Forwarded-Proto", "scheme"),
    ("X-Forwarded-Method", "method"),
    ("X-Forwarded-Uri", "target"),
    ("X-Forwarded-For", "client_address"),
)
"""What the service is told of every request."""


class ForwardAuthConfig(Config):
    """Whom to ask, what to say, and what becomes of the answer. Times in milliseconds."""

    uri: str
    ssl_verify: bool = True
    request_method: Literal["GET", "POST"] = "GET"
    request_headers: Many[str] = ()
    extra_headers: Scalars | None = None
    upstream_headers: Many[str] = ()
    client_headers: Many[str] = ()
    consumer_header: str | None = None
    timeout: Annotated[int, Field(ge=1, le=60_000)] = 3000
    keepalive: bool = True
    keepalive_timeout: int = Field(default=60_000, ge=1000)
    keepalive_pool: int = Field(default=5, ge=1)
    allow_degradation: bool = False
    status_on_error: Answerable = 403


class ForwardAuthPlugin:
    """A request to the service for each request of the rule; connections to it are kept as Envoy keeps them."""

    name = "forward-auth"
    config = ForwardAuthConfig
    is_guard = True

    def apply(
        self, config: ForwardAuthConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Let those of the rule's requests pass that the service lets pass."""
        here = surroundings.origin
        backend = build_url_backend(config.uri, here, verify=config.ssl_verify)
        if backend is None:
            return Refusal(PLUGIN_CONFIG, "the address is no http or https URL", "", ("uri",))
        if config.consumer_header is not None:
            return Refusal(
                PLUGIN_CONFIG,
                "the service cannot say which consumer calls",
                "use upstream_headers",
                ("consumer_header",),
            )
        if rule.security and rule.security.forward_auth:
            return Refusal(PLUGIN_CONFIG, "another service is asked already, by a plugin for all routes")
        for field in ("keepalive", "keepalive_timeout", "keepalive_pool"):
            if field in config.model_fields_set:
                surroundings.note(NOT_HONOURED, "Envoy keeps connections to the service by its own rules", (field,))
        status = config.status_on_error
        auth = ForwardAuth(
            origin=here,
            url=config.uri,
            backend=surroundings.add_backend(backend),
            failure=Respond(origin=here, status=status, body=render_page(status), content_type=CONTENT_TYPE),
            method=config.request_method,
            told=tuple(_told(config, surroundings)),
            host_header="" if _HOST in (config.extra_headers or {}) else _HOST,
            headers=config.request_headers,
            headers_to_backend=config.upstream_headers,
            headers_to_client=config.client_headers,
            fail_open=config.allow_degradation,
            timeout=timedelta(milliseconds=config.timeout),
        )
        return [with_security(rule, here, forward_auth=auth)]


def _told(config: ForwardAuthConfig, surroundings: Surroundings) -> Iterator[tuple[str, Value]]:
    extra = config.extra_headers or {}
    for name, kind in _TOLD:
        if name not in extra:
            yield name, Text(parts=(Variable(kind=kind),))
    for name, written in extra.items():
        path = ("extra_headers", name)
        text = read_text(written, surroundings, path)
        yield name, hide(text, surroundings, path) if surroundings.is_secret(path) else text
