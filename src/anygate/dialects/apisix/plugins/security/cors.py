"""cors: headers that let browsers read answers, and an answer to every OPTIONS request.

https://apisix.apache.org/docs/apisix/plugins/cors/
"""

from collections.abc import Sequence
from typing import Self

import msgspec
from pydantic import Field, model_validator

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.pcre import refuse_pattern
from anygate.dialects.apisix.plugins.changes import matches_of
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.edit import Respond
from anygate.model.route import HttpRule
from anygate.model.security import CorsHeaders

_LISTS = ("allow_origins", "allow_methods", "allow_headers", "expose_headers", "timing_allow_origins")


class CorsConfig(Config):
    """Lists are written in one text, with commas; `**` allows what is asked for, also with credentials."""

    allow_origins: str = "*"
    allow_methods: str = "*"
    allow_headers: str = "*"
    expose_headers: str | None = None
    max_age: int = 5
    allow_credential: bool = False
    allow_origins_by_regex: Many[str] = ()
    allow_origins_by_metadata: Many[str] = ()
    timing_allow_origins: str | None = Field(default=None, min_length=1)
    timing_allow_origins_by_regex: Many[str] = ()

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        found = Violations()
        for name in _LISTS:
            if self.allow_credential and getattr(self, name) == "*":
                found.add('must not be "*" with allow_credential', name, value="*")
        found.refuse()
        return self


class Cors:
    """The headers stand on every answer; APISIX never sends an OPTIONS request on."""

    name = "cors"
    config = CorsConfig
    is_guard = False

    def apply(
        self, config: CorsConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Put the headers on the rule, and answer OPTIONS requests before anything else is asked."""
        for name in ("allow_origins_by_regex", "timing_allow_origins_by_regex"):
            problem = _problem(name, getattr(config, name))
            if problem is not None:
                return problem
        if config.allow_origins_by_metadata:
            text = "there is no metadata of plugins here, so it allows no further origin"
            surroundings.note(NOT_HONOURED, text, ("allow_origins_by_metadata",), "list the origins in allow_origins")
        headers = CorsHeaders(
            origin=surroundings.origin,
            allow_origins=_items(config.allow_origins),
            patterns=config.allow_origins_by_regex,
            allow_methods=config.allow_methods,
            allow_headers=config.allow_headers,
            expose_headers=config.expose_headers or "",
            max_age=config.max_age,
            allow_credentials=config.allow_credential,
            timing_origins=_items(config.timing_allow_origins or ""),
            timing_patterns=config.timing_allow_origins_by_regex,
        )
        return (*_answers(rule, headers, surroundings), msgspec.structs.replace(rule, cors_headers=headers))


def _answers(rule: HttpRule, headers: CorsHeaders, surroundings: Surroundings) -> Sequence[Answered]:
    """The rule for OPTIONS, where the rule takes any. What came before, such as global rules, guards it too."""
    asked = [match for match in matches_of(rule) if match.method in ("", "OPTIONS")]
    if not asked:
        return ()
    answering = msgspec.structs.replace(
        rule,
        origin=surroundings.origin,
        name=f"{rule.name}/options",
        action=Respond(origin=surroundings.origin, status=200),
        matches=tuple(msgspec.structs.replace(match, method="OPTIONS") for match in asked),
        cors_headers=headers,
        rewrite=None,
        mirrors=(),
    )
    return (Answered(answering),)


def _items(text: str) -> tuple[str, ...]:
    return tuple(item for item in text.split(",") if item)


def _problem(name: str, patterns: Sequence[str]) -> Refusal | None:
    for number, pattern in enumerate(patterns):
        problem = refuse_pattern(pattern)
        if problem:
            path: FieldPath = (name, number)
            return Refusal(
                PLUGIN_CONFIG, f"{pattern!r} is not a regular expression that Envoy has: {problem}", path=path
            )
    return None
