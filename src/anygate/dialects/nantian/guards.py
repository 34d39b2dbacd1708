"""What the prompts of an AIService's requests must not say. A request that says it is answered with 400."""

import json
import re

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.nantian.ai_findings import AI_GUARD, AI_NOT_HONOURED
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.kinds.aiservice import AIService
from anygate.model.inference import ModelEndpoint
from anygate.model.inference_answers import error_body, error_format
from anygate.model.prompts import PromptGuard, Prompts, refusals_of
from anygate.model.re2 import problem_of
from anygate.model.route import HttpRule
from anygate.model.wording import Wording

_REFUSED = 400
USUAL = (
    r"(?i)(ignore|disregard|forget)\s+(all\s+|any\s+)?(of\s+)?(the\s+|your\s+)?(previous|prior|above|earlier)\s+"
    r"(instructions|prompts|rules)",
    r"(?i)(reveal|print|show|repeat)\s+(me\s+)?(your|the)\s+(hidden\s+|system\s+|initial\s+)+(prompt|instructions)",
    r"(?i)you\s+are\s+now\s+(in\s+)?(dan|developer\s+mode|jailbroken)",
    r"(?i)(pretend|act\s+as\s+if)\s+(that\s+)?you\s+(have|had)\s+no\s+(restrictions|rules|limits|guidelines)",
    r"(?i)(bypass|override|disable)\s+(your|the|all)\s+(safety|content|security)\s+(filters?|rules|guidelines)",
)
"""Patterns of prompts that are to make a model forget what it was told."""


class GuardTrouble(Exception):  # noqa: N818 - a mistake in a manifest is no defect
    """Why a guard cannot stand, at a field."""

    rule, reason, hint = AI_GUARD, "Invalid", "write it as RE2 has it"

    def __init__(self, message: str, path: FieldPath) -> None:
        super().__init__(message)
        self.message, self.path = message, path


def read_guard(context: Context, item: AIService) -> PromptGuard | None:
    """The guard of a service; raises GuardTrouble for a pattern that cannot be asked."""
    name = "promptGuard" if item.spec.prompt_guard is not None else "guard"
    written = item.spec.prompt_guard or item.spec.guard
    if written is None or not written.enabled:
        return None
    path: FieldPath = ("spec", name)
    if written.mode != "block":
        text = f"prompts are not looked at in mode {written.mode}"
        context.add(AI_NOT_HONOURED, text, item, (*path, "mode"), hint="block refuses them")
        return None
    for number, pattern in enumerate(written.custom_patterns):
        problem = problem_of(pattern)
        if problem is not None:
            raise GuardTrouble(f"the pattern cannot be asked: {problem}", (*path, "customPatterns", number))
    words = tuple(f"(?i){re.escape(word)}" for word in written.keywords)
    return PromptGuard(
        origin=origin(item, path),
        deny=(*(written.custom_patterns or USUAL), *words),
        all_roles=True,
        whole_history=True,
    )


def put_guards(rule: HttpRule, guards: tuple[PromptGuard, ...], endpoint: ModelEndpoint) -> HttpRule:
    """A rule whose requests are looked at, with refusals in the format of its clients."""
    if not guards:
        return rule
    known = rule.prompts or Prompts(origin=guards[0].origin)
    wordings = [*rule.wordings]
    for number in range(len(known.guards), len(known.guards) + len(guards)):
        names = refusals_of(number)
        wordings += [
            _say(endpoint, names.unread, "The prompts of the request could not be read."),
            _say(endpoint, names.denied, "The request was refused because of what its prompt says."),
        ]
    prompts = msgspec.structs.replace(known, guards=(*known.guards, *guards))
    return msgspec.structs.replace(rule, prompts=prompts, wordings=tuple(wordings))


def _say(endpoint: ModelEndpoint, name: str, text: str) -> Wording:
    body = json.dumps(error_body(error_format(endpoint), _REFUSED, text, None, "prompt_refused"))
    return Wording(cause="denied", body=body, rule=name, status=_REFUSED, content_type="application/json")
