"""api-breaker: refuses requests while a backend fails. https://apisix.apache.org/docs/apisix/plugins/api-breaker/"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import msgspec
from pydantic import Field

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.nginx_pages import CONTENT_TYPE, render_page
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.values import Answerable, Scalar
from anygate.dialects.apisix.plugins.variable_findings import VARIABLE
from anygate.dialects.apisix.plugins.variables import read_text
from anygate.manifests.sequences import NonEmpty
from anygate.model.breaker import Breaker
from anygate.model.route import Forward, HttpRule
from anygate.model.text import Text
from anygate.model.wording import PLAIN_TEXT

Failing = Annotated[int, Field(ge=500, le=599)]
Healthy = Annotated[int, Field(ge=200, le=499)]


class BreakHeader(Config):
    """A header of the answer."""

    key: str = Field(min_length=1)
    value: Scalar


class UnhealthyConfig(Config):
    """When it opens."""

    http_statuses: NonEmpty[Failing] = (500,)
    failures: int = Field(default=3, ge=1)


class HealthyConfig(Config):
    """When it closes."""

    http_statuses: NonEmpty[Healthy] = (200,)
    successes: int = Field(default=3, ge=1)


class ApiBreakerConfig(Config):
    """What is answered while it is open, and for how long at most."""

    break_response_code: Answerable
    break_response_body: str | None = None
    break_response_headers: NonEmpty[BreakHeader] | None = None
    max_breaker_sec: int = Field(default=300, ge=3)
    unhealthy: UnhealthyConfig = Field(default_factory=UnhealthyConfig)
    healthy: HealthyConfig = Field(default_factory=HealthyConfig)


class ApiBreaker:
    """Counted by a script, by host and path, in each worker of Envoy."""

    name = "api-breaker"
    config = ApiBreakerConfig
    is_guard = False

    def apply(
        self, config: ApiBreakerConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Break the rule's requests while its backend fails."""
        if not isinstance(rule.action, Forward):
            return [rule]
        headers = []
        for index, one in enumerate(config.break_response_headers or ()):
            place = ("break_response_headers", index, "value")
            value = read_text(one.value, surroundings, place)
            if isinstance(value, Text):
                surroundings.note(VARIABLE, "no variables are known in this header, so they are empty", place)
                value = "".join(part for part in value.parts if isinstance(part, str))
            headers.append((one.key, value))
        code, body = config.break_response_code, config.break_response_body
        if body is None:
            # APISIX leaves its headers out, too.
            body, headers = render_page(code), []
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("Content-Type", PLAIN_TEXT if config.break_response_body is not None else CONTENT_TYPE))
        breaker = Breaker(
            origin=surroundings.origin,
            status=code,
            body=body,
            headers=tuple(headers),
            longest=timedelta(seconds=config.max_breaker_sec),
            failing=tuple(config.unhealthy.http_statuses),
            failures=config.unhealthy.failures,
            healthy=tuple(config.healthy.http_statuses),
            successes=config.healthy.successes,
        )
        return [msgspec.structs.replace(rule, breaker=breaker)]
