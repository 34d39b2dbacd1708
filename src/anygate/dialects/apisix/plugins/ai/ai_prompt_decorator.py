"""ai-prompt-decorator: messages before and behind those of a request.

https://apisix.apache.org/docs/apisix/plugins/ai-prompt-decorator/
"""

from collections.abc import Sequence
from typing import Self

import msgspec
from pydantic import model_validator

from anygate.dialects.apisix.plugins.ai.prompting import Message, prompts_of, with_prompts
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.prompts import PromptDecoration
from anygate.model.route import HttpRule


class PromptDecoratorConfig(Config):
    """Messages on either side."""

    prepend: Many[Message] | None = None
    append: Many[Message] | None = None

    @model_validator(mode="after")
    def _check_messages(self) -> Self:
        found = Violations()
        if self.prepend is None and self.append is None:
            found.add("one of prepend and append is required", code="required")
        found.refuse()
        return self


class AiPromptDecorator:
    """The messages are put into the body where it stands, which otherwise stays byte for byte."""

    name = "ai-prompt-decorator"
    config = PromptDecoratorConfig
    is_guard = False

    def apply(
        self, config: PromptDecoratorConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Put messages around those of the rule's requests."""
        decoration = PromptDecoration(
            origin=surroundings.origin,
            prepend=tuple(one.read() for one in config.prepend or ()),
            append=tuple(one.read() for one in config.append or ()),
        )
        prompts = prompts_of(rule, surroundings.origin)
        return [with_prompts(rule, msgspec.structs.replace(prompts, decorations=(*prompts.decorations, decoration)))]
