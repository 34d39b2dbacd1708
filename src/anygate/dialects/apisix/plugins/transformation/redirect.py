"""redirect: sends clients elsewhere. https://apisix.apache.org/docs/apisix/plugins/redirect/"""

from collections.abc import Sequence
from typing import Annotated, Self
from urllib.parse import quote

import msgspec
from pydantic import Field, model_validator

from anygate.dialects.apisix.expressions import Conditions
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.pcre import search_path_pattern
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.splitting import add_edit, narrow
from anygate.dialects.apisix.plugins.transformation.https_redirect import split_https
from anygate.dialects.apisix.plugins.transformation.regexes import read_pair
from anygate.dialects.apisix.plugins.variables import hide, read_text
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations, check_exactly_one
from anygate.model.edit import HeaderEdit, Redirect, Respond
from anygate.model.match import ValueMatch
from anygate.model.route import Forward, HttpRule
from anygate.model.text import Text, Value, Variable

_KEPT = "/:?&=#%+,;@"
_NATIVE = (301, 302, 303, 307, 308)
_QUERY = Conditions(headers=(ValueMatch(name=":path", kind="contains", value="?"),))


class RedirectConfig(Config):
    """Where to: one of `uri`, `regex_uri` and `http_to_https`."""

    ret_code: Annotated[int, Field(ge=200, le=599)] = 302
    uri: Annotated[str, Field(min_length=2)] | None = None
    regex_uri: Many[str] | None = None
    http_to_https: bool | None = None
    append_query_string: bool = False
    encode_uri: bool = False

    @model_validator(mode="after")
    def _check_target(self) -> Self:
        found = Violations()
        check_exactly_one(found, uri=self.uri, regex_uri=self.regex_uri, http_to_https=self.http_to_https)
        if self.regex_uri is not None and len(self.regex_uri) != 2:
            found.add("expected a pattern and what takes its place", "regex_uri")
        if self.http_to_https and self.append_query_string:
            found.add("http_to_https keeps the query in any case", "append_query_string")
        found.refuse()
        return self


class RedirectPlugin:
    """Redirects of Envoy where the target is made of the path, fixed answers with a `location` where it is a text."""

    name = "redirect"
    config = RedirectConfig
    is_guard = False

    def apply(self, config: RedirectConfig, rule: HttpRule, surroundings: Surroundings) -> Sequence[HttpRule] | Refusal:
        """Redirect the rule's requests."""
        if not isinstance(rule.action, Forward) or config.http_to_https is False:
            return [rule]
        if config.http_to_https:
            return split_https(rule, surroundings.origin, surroundings.trusted_addresses)
        if config.regex_uri is not None:
            return _by_pattern(config, rule, surroundings)
        assert config.uri is not None
        location = read_text(config.uri, surroundings, ("uri",))
        if config.encode_uri:
            if isinstance(location, Text):
                text = "only what is literal is encoded; variables stay as requests have them"
                surroundings.note(NOT_HONOURED, text, ("encode_uri",))
            location = _encode(location)
        if surroundings.is_secret(("uri",)):
            location = hide(location, surroundings, ("uri",))
        plain = _answer(rule, config, location, surroundings)
        if not config.append_query_string:
            return [plain]
        parts = location.parts if isinstance(location, Text) else (location,)
        mark = "&" if "?" in config.uri else "?"
        longer = _answer(rule, config, Text(parts=(*parts, mark, Variable(kind="query_string"))), surroundings)
        return [narrow(longer, "with-query", [_QUERY]), plain]


def _by_pattern(config: RedirectConfig, rule: HttpRule, surroundings: Surroundings) -> list[HttpRule] | Refusal:
    """Redirects of paths in which the pattern is found; the others go on."""
    assert config.regex_uri is not None
    pattern, template = config.regex_uri
    if config.ret_code not in _NATIVE:
        text = f"there is no redirect by a pattern with status {config.ret_code}"
        return Refusal(PLUGIN_CONFIG, text, f"use one of {', '.join(map(str, _NATIVE))}", ("ret_code",))
    if not template.startswith("/"):
        text = "a redirect by a pattern stays at its host: what takes the place of the path begins with a slash"
        return Refusal(PLUGIN_CONFIG, text, "", ("regex_uri", 1))
    path = read_pair(pattern, template, ("regex_uri", 0))
    if isinstance(path, Refusal):
        return path
    to = Redirect(
        origin=surroundings.origin,
        status=config.ret_code,
        path=path,
        keep_host=True,
        drop_query=not config.append_query_string,
    )
    wanted = ValueMatch(name=":path", kind="regex", value=search_path_pattern(pattern))
    return [narrow(rule, "redirect", [Conditions(headers=(wanted,))], action=to, rewrite=None), rule]


def _answer(rule: HttpRule, config: RedirectConfig, location: Value, surroundings: Surroundings) -> HttpRule:
    headers = add_edit(rule.response_headers, HeaderEdit(set=(("Location", location),)))
    action = Respond(origin=surroundings.origin, status=config.ret_code)
    return msgspec.structs.replace(rule, action=action, response_headers=headers, rewrite=None)


def _encode(location: Value) -> Value:
    if isinstance(location, Text):
        return Text(parts=tuple(quote(one, safe=_KEPT) if isinstance(one, str) else one for one in location.parts))
    return quote(location, safe=_KEPT)
