"""`_meta.error_response`: what clients read in place of a plugin's own words when it refuses a request."""

import json
from typing import Any

import msgspec

from anygate.model.edit import Respond
from anygate.model.limits import LimitAnswer, RateLimit
from anygate.model.route import HttpRule
from anygate.model.wording import PLAIN_TEXT

_FIRST_ERROR = 400


def reword(before: HttpRule, rule: HttpRule, written: Any) -> HttpRule:
    """A rule that a plugin has made of another, with `written` as the body of every refusal that the plugin added."""
    body = written if isinstance(written, str) else _render(written)
    known = frozenset(before.wordings)
    wordings = tuple(
        one if one in known else msgspec.structs.replace(one, body=body, content_type=PLAIN_TEXT)
        for one in rule.wordings
    )
    made = msgspec.structs.replace(rule, wordings=wordings, rate_limit=_reword_limits(before, rule, body))
    action = rule.action
    if isinstance(action, Respond) and action != before.action and action.status >= _FIRST_ERROR:
        answer = msgspec.structs.replace(action, body=body, content_type=PLAIN_TEXT)
        made = msgspec.structs.replace(made, action=answer)
    return made


def _reword_limits(before: HttpRule, rule: HttpRule, body: str) -> RateLimit | None:
    if rule.rate_limit is None:
        return None
    count = len(before.rate_limit.rules) if before.rate_limit else 0
    kept, added = rule.rate_limit.rules[:count], rule.rate_limit.rules[count:]
    answers = (
        msgspec.structs.replace(one.answer or LimitAnswer(), body=body, content_type=PLAIN_TEXT) for one in added
    )
    worded = (msgspec.structs.replace(one, answer=answer) for one, answer in zip(added, answers, strict=True))
    return msgspec.structs.replace(rule.rate_limit, rules=(*kept, *worded))


def _render(written: Any) -> str:
    return json.dumps(written, ensure_ascii=False, separators=(",", ":")) + "\n"
