"""What the plugins for prompts share."""

from typing import Literal

import msgspec
from pydantic import Field

from anygate.dialects.apisix.plugins.config import Config
from anygate.model.origin import Origin
from anygate.model.prompts import PromptMessage, Prompts
from anygate.model.route import HttpRule

MOST_BYTES = 52_428_800
"""How long a body may be whose prompts are read: as much as a listener holds of one."""


class Message(Config):
    """A message as chat APIs have it."""

    role: Literal["system", "user", "assistant"]
    content: str = Field(min_length=1)

    def read(self) -> PromptMessage:
        """The same in the model."""
        return PromptMessage(role=self.role, content=self.content)


def prompts_of(rule: HttpRule, origin: Origin) -> Prompts:
    """What becomes of a rule's prompts so far."""
    return rule.prompts or Prompts(origin=origin)


def with_prompts(rule: HttpRule, prompts: Prompts) -> HttpRule:
    """The rule with what becomes of its prompts."""
    return msgspec.structs.replace(rule, prompts=prompts)
