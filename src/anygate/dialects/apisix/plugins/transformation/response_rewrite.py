"""response-rewrite: another status, other headers, another body.

https://apisix.apache.org/docs/apisix/plugins/response-rewrite/
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import Field, model_validator

from anygate.dialects.apisix.expressions import Unread
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.splitting import add_edit, narrow
from anygate.dialects.apisix.plugins.transformation.header_changes import read_headers
from anygate.dialects.apisix.plugins.transformation.statuses import take_statuses
from anygate.dialects.apisix.plugins.values import Vars
from anygate.dialects.apisix.vars import read_alternatives
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.answers import AnswerEdit, Replacement
from anygate.model.edit import HeaderEdit
from anygate.model.route import HttpRule
from anygate.model.text import Text, Value

_SPECIAL = frozenset(".^$*+?()[]{}|")


class Filter(Config):
    """A pattern in the body, and what takes its place."""

    regex: str = Field(min_length=1)
    replace: str
    scope: Literal["once", "global"] = "once"
    options: str = "jo"


class ResponseRewriteConfig(Config):
    """What becomes of an answer for which `vars` hold."""

    status_code: Annotated[int, Field(ge=200, le=598)] | None = None
    headers: dict[str, Any] | None = None
    body: str | None = None
    body_base64: bool = False
    vars: Vars | None = None
    filters: Many[Filter] = ()

    @model_validator(mode="after")
    def _check_body(self) -> Self:
        found = Violations()
        if self.body is not None and self.filters:
            found.add("either body or filters", "filters")
        if self.body_base64 and _decode(self.body or "") is None:
            found.add("expected base64", "body")
        found.refuse()
        return self


class ResponseRewrite:
    """Headers are changed by the route, everything else and what depends on the status by a script."""

    name = "response-rewrite"
    config = ResponseRewriteConfig
    is_guard = False

    def apply(
        self, config: ResponseRewriteConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Change the answers to the rule's requests."""
        headers = read_headers(config.headers, surroundings) if config.headers else None
        if isinstance(headers, Refusal):
            return headers
        statuses, written = take_statuses(config.vars or [])
        if statuses is None:
            return Refusal(PLUGIN_CONFIG, "a status can be compared with whole numbers only", "", ("vars",))
        alternatives = read_alternatives(written) if written else ()
        if isinstance(alternatives, Unread):
            return Refusal(PLUGIN_CONFIG, f"the condition cannot be asked for: {alternatives.reason}", "", ("vars",))
        edit = AnswerEdit(
            origin=surroundings.origin,
            statuses=statuses,
            status=config.status_code,
            headers=_literal(headers, surroundings) if headers and statuses else None,
            body=_body(config),
            replacements=tuple(_replacements(config, surroundings)),
        )
        changed = rule
        if headers and not statuses:
            changed = msgspec.structs.replace(rule, response_headers=add_edit(rule.response_headers, headers))
        if edit.status or edit.headers or edit.changes_body:
            changed = msgspec.structs.replace(changed, answers=(*rule.answers, edit))
        if not alternatives:
            return [changed]
        return [narrow(changed, "rewritten", alternatives), rule]


def _body(config: ResponseRewriteConfig) -> bytes | None:
    if config.body is None:
        return None
    return _decode(config.body) if config.body_base64 else config.body.encode()


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) or None
    except (binascii.Error, ValueError):
        return None


def _literal(headers: HeaderEdit, surroundings: Surroundings) -> HeaderEdit:
    """Header changes of a script, which knows no variables."""
    kept: dict[str, list[tuple[str, Value]]] = {}
    for field in ("set", "add"):
        for name, value in getattr(headers, field):
            if isinstance(value, Text):
                text = "variables and secrets are not known where vars ask for the status: the header stays as it is"
                surroundings.note(NOT_HONOURED, text, ("headers",))
            else:
                kept.setdefault(field, []).append((name, value))
    return HeaderEdit(set=tuple(kept.get("set", ())), add=tuple(kept.get("add", ())), remove=headers.remove)


def _replacements(config: ResponseRewriteConfig, surroundings: Surroundings) -> list[Replacement]:
    """The filters that look for plain text: nothing in Envoy replaces patterns in bodies."""
    found = []
    for index, one in enumerate(config.filters):
        plain = _unescape(one.regex)
        place = ("filters", index)
        if plain is None or "i" in one.options or "$" in one.replace.replace("$$", ""):
            text = "bodies are searched for plain text only; this filter does nothing"
            surroundings.note(NOT_HONOURED, text, (*place, "regex"))
            continue
        value = one.replace.replace("$$", "$")
        found.append(Replacement(find=plain, value=value, everywhere=one.scope == "global"))
    return found


def _unescape(pattern: str) -> str | None:
    """The text that a pattern without any special character stands for."""
    made, letters = "", iter(pattern)
    for letter in letters:
        if letter in _SPECIAL:
            return None
        if letter == "\\":
            escaped = next(letters, "")
            if not escaped or escaped.isalnum():
                return None
            made += escaped
        else:
            made += letter
    return made
