"""proxy-rewrite: another path, method, host and headers for the backend.

https://apisix.apache.org/docs/apisix/plugins/proxy-rewrite/
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

import msgspec
from pydantic import Field, model_validator

from anygate.dialects.apisix.expressions import Conditions
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.pcre import search_path_pattern
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.splitting import add_edit, narrow
from anygate.dialects.apisix.plugins.transformation.header_changes import read_headers
from anygate.dialects.apisix.plugins.transformation.regexes import read_pair
from anygate.dialects.apisix.plugins.variables import read_text
from anygate.manifests.fields import Many
from anygate.manifests.violations import Violations
from anygate.model.edit import HeaderEdit, PathRewrite, Rewrite
from anygate.model.match import ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import Credential, Forward, HttpRule
from anygate.model.text import SecretValue, Text, Value

_CREDENTIALS = frozenset(("authorization", "proxy-authorization", "x-api-key", "api-key", "x-goog-api-key", "apikey"))
"""Headers whose values are hidden wherever they come from."""

Method = Literal[
    "GET",
    "POST",
    "PUT",
    "HEAD",
    "DELETE",
    "OPTIONS",
    "MKCOL",
    "COPY",
    "MOVE",
    "PROPFIND",
    "LOCK",
    "UNLOCK",
    "PATCH",
    "TRACE",
]


class ProxyRewriteConfig(Config):
    """What becomes of a request; at least one field has to be there."""

    uri: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^/")] | None = None
    method: Method | None = None
    regex_uri: Many[str] = ()
    host: Annotated[str, Field(pattern=r"^[0-9a-zA-Z.-]+(:\d{1,5})?$")] | None = None
    headers: dict[str, Any] | None = None
    use_real_request_uri_unsafe: bool = False

    @model_validator(mode="after")
    def _check_fields(self) -> Self:
        found = Violations()
        if not self.model_fields_set:
            found.add("at least one field is required", code="required")
        if len(self.regex_uri) % 2:
            found.add("expected pairs of a pattern and what takes its place", "regex_uri")
        found.refuse()
        return self


class ProxyRewrite:
    """Native rewrites of routes; several pairs of `regex_uri` become one rule each."""

    name = "proxy-rewrite"
    config = ProxyRewriteConfig
    is_guard = False

    def apply(
        self, config: ProxyRewriteConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Rewrite what the backend sees of the rule's requests."""
        if not isinstance(rule.action, Forward):
            return [rule]
        if config.use_real_request_uri_unsafe:
            text = "the path is put in order before any plugin sees it"
            surroundings.note(NOT_HONOURED, text, ("use_real_request_uri_unsafe",))
        if config.headers:
            edit = read_headers(config.headers, surroundings, hidden=_CREDENTIALS)
            if isinstance(edit, Refusal):
                return edit
            rule = _change_headers(rule, edit, surroundings.origin)
        if rule.inference is not None:
            # Where a model is, its provider says.
            return [rule]
        known = rule.rewrite or Rewrite()
        base = msgspec.structs.replace(known, method=config.method or known.method)
        if config.host:
            base = msgspec.structs.replace(base, host=config.host, host_header="", host_from_backend=False)
        if config.uri is not None:
            rewrite = _read_uri(config.uri, base, surroundings)
            return rewrite if isinstance(rewrite, Refusal) else [msgspec.structs.replace(rule, rewrite=rewrite)]
        changed = rule if base == known else msgspec.structs.replace(rule, rewrite=base)
        return _by_pattern(config.regex_uri, changed, base)


def _change_headers(rule: HttpRule, edit: HeaderEdit, here: Origin) -> HttpRule:
    """Change the headers. The first credential is one of the rule: without it no request is sent on."""
    others: list[tuple[str, Value]] = []
    for name, value in edit.set:
        if rule.inject is None and isinstance(value, Text) and value.parts == tuple(map(SecretValue, value.secrets)):
            inject = Credential(origin=here, secret=value.secrets[0], header=name, overwrite=True)
            rule = msgspec.structs.replace(_keeping(rule, name), inject=inject)
        else:
            others.append((name, value))
    edit = msgspec.structs.replace(edit, set=tuple(others))
    return msgspec.structs.replace(rule, request_headers=add_edit(rule.request_headers, edit))


def _keeping(rule: HttpRule, name: str) -> HttpRule:
    """The rule that no longer removes a header, which Envoy would do after the credential is in it."""
    known = rule.request_headers
    if known is None:
        return rule
    removed = tuple(one for one in known.remove if one.lower() != name.lower())
    return msgspec.structs.replace(rule, request_headers=msgspec.structs.replace(known, remove=removed))


def _read_uri(uri: str, base: Rewrite, surroundings: Surroundings) -> Rewrite | Refusal:
    """The path with its variables; a query in it comes before the request's own."""
    path, mark, query = uri.partition("?")
    text = read_text(path, surroundings, ("uri",))
    if mark and isinstance(read_text(query, surroundings, ("uri",)), Text):
        return Refusal(PLUGIN_CONFIG, "variables can stand in the path, not in its query", "", ("uri",))
    full = PathRewrite(kind="full", value=path)
    made = PathRewrite(kind="text", value=str(text), text=text) if isinstance(text, Text) else full
    return msgspec.structs.replace(base, path=made, query=query)


def _by_pattern(pairs: Sequence[str], rule: HttpRule, base: Rewrite) -> list[HttpRule] | Refusal:
    """One rule for each pair whose pattern is found in the path, and the rule itself for all other paths."""
    found = []
    for at in range(0, len(pairs), 2):
        path = read_pair(pairs[at], pairs[at + 1], ("regex_uri", at))
        if isinstance(path, Refusal):
            return path
        rewrite = msgspec.structs.replace(base, path=path)
        if len(pairs) == 2:
            return [msgspec.structs.replace(rule, rewrite=rewrite)]
        wanted = ValueMatch(name=":path", kind="regex", value=search_path_pattern(pairs[at]))
        found.append(narrow(rule, f"rewrite-{at // 2}", [Conditions(headers=(wanted,))], rewrite=rewrite))
    return [*found, rule]
