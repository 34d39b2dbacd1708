"""ai-prompt-guard: which prompts are let through, by their texts.

https://apisix.apache.org/docs/apisix/plugins/ai-prompt-guard/
"""

from collections.abc import Sequence

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.pcre import refuse_pattern
from anygate.dialects.apisix.plugins.ai.prompting import prompts_of, with_prompts
from anygate.dialects.apisix.plugins.changes import say, with_wordings
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.manifests.fields import Many
from anygate.model.prompts import PromptGuard, refusals_of
from anygate.model.route import HttpRule

_REFUSED = 400


class PromptGuardConfig(Config):
    """Patterns for the last message of a user, or for more than that."""

    match_all_roles: bool = False
    match_all_conversation_history: bool = False
    allow_patterns: Many[str] = ()
    deny_patterns: Many[str] = ()


class AiPromptGuard:
    """The client's own messages are looked at, before others are put around them.

    What APISIX lets pass unseen is looked at too: texts in parts of a message, the prompts of other endpoints than
    chats, and a user's last message that one of an assistant follows.
    """

    name = "ai-prompt-guard"
    config = PromptGuardConfig
    is_guard = True

    def apply(
        self, config: PromptGuardConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Refuse requests of the rule by their prompts."""
        for field in ("allow_patterns", "deny_patterns"):
            refusal = _check(getattr(config, field), (field,))
            if refusal is not None:
                return refusal
        guard = PromptGuard(
            origin=surroundings.origin,
            allow=tuple(config.allow_patterns),
            deny=tuple(config.deny_patterns),
            all_roles=config.match_all_roles,
            whole_history=config.match_all_conversation_history,
        )
        prompts = prompts_of(rule, surroundings.origin)
        names = refusals_of(len(prompts.guards))
        worded = with_wordings(
            rule,
            say("denied", "the prompts of the request could not be read", rule=names.unread, status=_REFUSED),
            say("denied", "Request doesn't match allow patterns", rule=names.not_allowed, status=_REFUSED),
            say("denied", "Request contains prohibited content", rule=names.denied, status=_REFUSED),
        )
        return [with_prompts(worded, msgspec.structs.replace(prompts, guards=(*prompts.guards, guard)))]


def _check(patterns: Sequence[str], path: FieldPath) -> Refusal | None:
    for number, pattern in enumerate(patterns):
        problem = refuse_pattern(pattern)
        if problem:
            text = f"the pattern {pattern} cannot be had: {problem}"
            return Refusal(GUARD_UNSUPPORTED, text, "write it without, as RE2 has it", (*path, number))
    return None
