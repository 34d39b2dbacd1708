"""fault-injection: delays and answers on purpose. https://apisix.apache.org/docs/apisix/plugins/fault-injection/"""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from pydantic import Field

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.expressions import Conditions, Unread
from anygate.dialects.apisix.findings import PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Answered, Refusal, Surroundings
from anygate.dialects.apisix.plugins.splitting import add_edit, close_unread, narrow, with_percent
from anygate.dialects.apisix.plugins.transformation.header_changes import read_headers
from anygate.dialects.apisix.plugins.values import Answerable, Scalars, Vars
from anygate.dialects.apisix.plugins.variables import hide, read_text
from anygate.dialects.apisix.vars import read_alternatives
from anygate.model.edit import HeaderEdit, Respond
from anygate.model.limits import Faults
from anygate.model.route import HttpRule
from anygate.model.text import Text

_ALL = 100
_BODY: FieldPath = ("abort", "body")


class Abort(Config):
    """An answer in place of the backend's, for a share of those requests that satisfy one list of `vars`."""

    http_status: Answerable
    body: str | None = None
    headers: Scalars | None = None
    percentage: int = Field(default=_ALL, ge=0, le=_ALL)
    vars: Vars | None = None


class Delay(Config):
    """A pause of some seconds before anything else."""

    duration: float = Field(ge=0)
    percentage: int = Field(default=_ALL, ge=0, le=_ALL)
    vars: Vars | None = None


class FaultInjectionConfig(Config):
    """Either or both."""

    abort: Abort | None = None
    delay: Delay | None = None


class FaultInjection:
    """Envoy's own faults for delays, and rules that answer by themselves for aborts."""

    name = "fault-injection"
    config = FaultInjectionConfig
    is_guard = False

    def apply(
        self, config: FaultInjectionConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule | Answered] | Refusal:
        """Delay and answer some of the rule's requests."""
        delayed = _delay(config.delay, rule, surroundings)
        if config.abort is None or config.abort.percentage == 0:
            return delayed
        found: list[HttpRule | Answered] = []
        for one in delayed:
            aborted = _abort(config.abort, one, surroundings)
            if isinstance(aborted, Refusal):
                return aborted
            found += aborted
        return found


def _delay(delay: Delay | None, rule: HttpRule, surroundings: Surroundings) -> list[HttpRule]:
    if delay is None or not delay.duration or not delay.percentage:
        return [rule]
    faults = Faults(
        origin=surroundings.origin, delay=timedelta(seconds=delay.duration), delay_percent=float(delay.percentage)
    )
    alternatives = read_alternatives(delay.vars) if delay.vars else ()
    if isinstance(alternatives, Unread):
        text = f"nothing is delayed, for the condition cannot be asked for: {alternatives.reason}"
        surroundings.refuse_part(Refusal(PLUGIN_CONFIG, text, "", ("delay", "vars")))
        return [rule]
    if not alternatives:
        return [msgspec.structs.replace(rule, faults=faults)]
    return [narrow(rule, "delayed", alternatives, faults=faults), rule]


def _abort(abort: Abort, rule: HttpRule, surroundings: Surroundings) -> list[HttpRule | Answered] | Refusal:
    alternatives = read_alternatives(abort.vars) if abort.vars else ()
    if isinstance(alternatives, Unread):
        closed = close_unread(rule, "aborted", alternatives, surroundings, ("abort", "vars"))
        return [Answered(with_percent(closed, abort.percentage)), rule]
    edit = read_headers(abort.headers, surroundings, ("abort", "headers")) if abort.headers else HeaderEdit()
    if isinstance(edit, Refusal):
        return edit
    body = read_text(abort.body or "", surroundings, _BODY)
    if surroundings.is_secret(_BODY):
        body = hide(body, surroundings, _BODY)
    text = body if isinstance(body, Text) else None
    action = Respond(origin=surroundings.origin, status=abort.http_status, body="" if text else str(body), text=text)
    headers = add_edit(rule.response_headers, edit)
    changes = {"action": action, "response_headers": headers, "rewrite": None, "mirrors": ()}
    if not alternatives and abort.percentage == _ALL:
        return [Answered(msgspec.structs.replace(rule, **changes))]
    aborted = narrow(rule, "aborted", alternatives or (Conditions(),), **changes)
    return [Answered(with_percent(aborted, abort.percentage)), rule]
