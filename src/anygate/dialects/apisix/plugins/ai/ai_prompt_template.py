"""ai-prompt-template: bodies that requests ask for by name and fill in.

https://apisix.apache.org/docs/apisix/plugins/ai-prompt-template/
"""

import json
import re
from collections.abc import Iterator, Sequence

import msgspec
from pydantic import ConfigDict, Field

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.ai.prompting import MOST_BYTES, Message, prompts_of, with_prompts
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.manifests.fields import Many
from anygate.model.prompts import PromptPart, PromptTemplate
from anygate.model.route import HttpRule

_PLACE = re.compile(r"\{\{\s*(.*?)\s*\}\}|\{\*\s*(.*?)\s*\*\}|(\{[%(#\[-])")
_PATH = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


class Body(Config):
    """A body in which `{{name}}` stands for what a request has under that name; other fields are taken as they are."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(default=None, min_length=1)
    messages: Many[Message] | None = None


class NamedBody(Config):
    """A body with its name."""

    name: str = Field(min_length=1)
    template: Body


class PromptTemplateConfig(Config):
    """The bodies that there are."""

    templates: Many[NamedBody] = Field(min_length=1)
    max_req_body_size: int | None = Field(default=None, ge=1)


class AiPromptTemplate:
    """A value is put in as it is; APISIX writes it as HTML would have it, which no model is meant to read."""

    name = "ai-prompt-template"
    config = PromptTemplateConfig
    is_guard = False

    def apply(
        self, config: PromptTemplateConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Have requests of the rule choose among bodies."""
        if config.max_req_body_size is not None:
            text = f"the most that is read of a body are {MOST_BYTES} bytes, which all listeners share"
            surroundings.note(NOT_HONOURED, text, ("max_req_body_size",), "add client-control")
        templates = []
        for number, one in enumerate(config.templates):
            parts = _read_parts(one.template, ("templates", number, "template"))
            if isinstance(parts, Refusal):
                return parts
            templates.append(PromptTemplate(name=one.name, parts=parts))
        prompts = prompts_of(rule, surroundings.origin)
        return [with_prompts(rule, msgspec.structs.replace(prompts, templates=tuple(templates)))]


def _read_parts(body: Body, path: FieldPath) -> tuple[PromptPart, ...] | Refusal:
    """The JSON text of a template around the places where values of the request go."""
    written = json.dumps(body.model_dump(exclude_unset=True), ensure_ascii=False, separators=(",", ":"))
    for place in _PLACE.finditer(written):
        name = place[1] or place[2] or ""
        if place[3] or not _PATH.fullmatch(name):
            text = f"{place[0]} is code of a template; only names, such as {{{{language}}}}, are filled in"
            return Refusal(PLUGIN_CONFIG, text, "", path)
    return tuple(_split(written))


def _split(written: str) -> Iterator[PromptPart]:
    at = 0
    for place in _PLACE.finditer(written):
        if place.start() > at:
            yield PromptPart(text=written[at : place.start()])
        yield PromptPart(path=tuple((place[1] or place[2]).split(".")))
        at = place.end()
    if at < len(written):
        yield PromptPart(text=written[at:])
