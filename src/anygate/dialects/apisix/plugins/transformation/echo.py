"""echo: another body, and headers. https://apisix.apache.org/docs/apisix/plugins/echo/"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import msgspec
from pydantic import model_validator

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.splitting import add_edit
from anygate.dialects.apisix.plugins.values import Scalars
from anygate.dialects.apisix.plugins.variables import hide
from anygate.manifests.violations import Violations
from anygate.model.answers import AnswerEdit
from anygate.model.edit import HeaderEdit
from anygate.model.route import HttpRule
from anygate.model.text import Value


class EchoConfig(Config):
    """Texts for the body and around it."""

    before_body: str | None = None
    body: str | None = None
    after_body: str | None = None
    headers: Scalars | None = None

    @model_validator(mode="after")
    def _check_body(self) -> Self:
        found = Violations()
        if self.before_body is None and self.body is None and self.after_body is None:
            found.add("one of before_body, body and after_body is required", code="required")
        found.refuse()
        return self


class Echo:
    """The status stays, and so do variables in headers: this plugin knows none."""

    name = "echo"
    config = EchoConfig
    is_guard = False

    def apply(self, config: EchoConfig, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Change the bodies of answers to the rule's requests."""
        edit = AnswerEdit(
            origin=surroundings.origin,
            body=None if config.body is None else config.body.encode(),
            before=(config.before_body or "").encode(),
            after=(config.after_body or "").encode(),
        )
        made = msgspec.structs.replace(rule, answers=(*rule.answers, edit))
        if config.headers:
            headers = HeaderEdit(set=tuple(_values(config.headers, surroundings)))
            made = msgspec.structs.replace(made, response_headers=add_edit(rule.response_headers, headers))
        return [made]


def _values(written: Mapping[str, str], surroundings: Surroundings) -> Iterator[tuple[str, Value]]:
    for name, value in written.items():
        path = ("headers", name)
        yield name, hide(value, surroundings, path) if surroundings.is_secret(path) else value
