"""What a rule does with requests, as filters of a route and as Envoy Gateway's HTTPRouteFilter."""

import re
from collections.abc import Sequence
from typing import Any

from anygate.dialects.gateway_api.write.backends import HOST, Backends
from anygate.dialects.gateway_api.write.conditions import ANYTHING, Values, write_path
from anygate.dialects.gateway_api.write.cors import read_cors
from anygate.dialects.gateway_api.write.findings import BACKENDS, REWRITE, SETTING
from anygate.dialects.gateway_api.write.objects import ENVOY_GATEWAY
from anygate.dialects.gateway_api.write.order import Entry
from anygate.dialects.gateway_api.write.words import edit, given, path
from anygate.dialects.gateway_api.write.writing import Writing
from anygate.model.edit import HeaderEdit, PathRewrite, Redirect, Respond, Rewrite
from anygate.model.match import PathMatch
from anygate.model.route import BackendTarget, HttpRule, Mirror
from anygate.model.security import Cors

_GROUP = ENVOY_GATEWAY.partition("/")[0]
_CODES = (301, 302, 303, 307, 308)


class Filters:
    """Writes the filters of rules; equal HTTPRouteFilters of a namespace are one object."""

    def __init__(self, writing: Writing, backends: Backends) -> None:
        self._writing = writing
        self._backends = backends

    def of_rule(self, entry: Entry, kind: str, namespace: str, name: str) -> list[dict[str, Any]]:
        """The filters of a rule, in the order in which they are to work."""
        rule = entry.rule
        extension: dict[str, Any] = {}
        found = self._edits(rule.request_headers, rule.response_headers)
        found += self._mirrors(rule.mirrors, kind, namespace)
        cors = rule.cors or (read_cors(rule.cors_headers, self._writing.losses) if rule.cors_headers else None)
        if cors is not None:
            found.append(_write_cors(cors))
        if isinstance(rule.action, Redirect):
            found.append(self._redirect(rule.action, entry))
        if rule.rewrite is not None:
            standard = self._rewrite(rule.rewrite, entry, extension)
            found += [{"type": "URLRewrite", "urlRewrite": standard}] if standard else []
        if isinstance(rule.action, Respond):
            extension["directResponse"] = _write_answer(rule.action)
        if rule.inject is not None:
            extension["credentialInjection"] = given(
                header=rule.inject.header if rule.inject.header != "Authorization" else None,
                overwrite=rule.inject.overwrite or None,
                credential={
                    "valueRef": self._writing.secret(rule.inject.secret, "HTTPRouteFilter", namespace, "credential")
                },
            )
        if entry.wanted.cookies:
            extension["matches"] = [{"cookies": _write_cookies(entry.wanted.cookies)}]
        if extension:
            found.append(self._extension(extension, entry, namespace, name))
        return found

    def of_target(self, target: BackendTarget, entry: Entry, kind: str, namespace: str) -> list[dict[str, Any]]:
        """The filters of one backend's share."""
        found = self._edits(target.request_headers, target.response_headers)
        found += self._mirrors(target.mirrors, kind, namespace)
        if target.redirect is not None:
            found.append(self._redirect(target.redirect, entry))
        if target.rewrite is not None:
            extension: dict[str, Any] = {}
            standard = self._rewrite(target.rewrite, entry, extension)
            found += [{"type": "URLRewrite", "urlRewrite": standard}] if standard else []
            if extension:
                found.append(self._extension(extension, entry, namespace, entry.rule.name))
        return found

    def _edits(self, request: HeaderEdit | None, response: HeaderEdit | None) -> list[dict[str, Any]]:
        found = []
        for name, one in (("requestHeaderModifier", request), ("responseHeaderModifier", response)):
            if one is not None and edit(one):
                found.append({"type": name[0].upper() + name[1:], name: edit(one)})
        return found

    def _mirrors(self, found: Sequence[Mirror], kind: str, namespace: str) -> list[dict[str, Any]]:
        for one in found:
            if one.backend not in self._writing.backends:
                text = "there is no copy of requests to a backend that could not be resolved"
                self._writing.losses.add(BACKENDS, one.origin, text)
            elif one.stage and self._gives_path(one.stage):
                self._writing.losses.add(REWRITE, one.origin, "copies keep the path of the request")
        return [self._mirror(one, kind, namespace) for one in found if one.backend in self._writing.backends]

    def _gives_path(self, stage: str) -> bool:
        """Whether copies get a path by a stage on their way; those for models have it from their backend."""
        found = (one for gateway in self._writing.model.gateways for one in gateway.stages if one.name == stage)
        rules = (rule for one in found for route in one.routes for rule in route.rules)
        return any(rule.rewrite is not None and rule.inference is None for rule in rules)

    def _mirror(self, found: Mirror, kind: str, namespace: str) -> dict[str, Any]:
        made: dict[str, Any] = {"backendRef": self._backends.refer(found.backend, kind, namespace)}
        if found.share != 1:
            made["fraction"] = {"numerator": found.numerator, "denominator": found.denominator}
        return {"type": "RequestMirror", "requestMirror": made}

    def _redirect(self, found: Redirect, entry: Entry) -> dict[str, Any]:
        status, new = found.status, found.path
        if status not in _CODES:
            self._writing.losses.add(SETTING, found.origin, f"a redirect with status {status} becomes one with 302")
            status = 302
        if new is not None and not _is_standard(new, entry):
            self._writing.losses.add(REWRITE, found.origin, "the redirect keeps the path: its new one cannot be said")
            new = None
        made = given(
            scheme=found.scheme or None,
            hostname=found.host or None,
            port=found.port or None,
            path=path(new) if new else None,
            status_code=status if status != 302 else None,
        )
        return {"type": "RequestRedirect", "requestRedirect": made}

    def _rewrite(self, found: Rewrite, entry: Entry, extension: dict[str, Any]) -> dict[str, Any]:
        """The standard part of a rewrite; the rest goes into the extension."""
        standard: dict[str, Any] = {}
        special: dict[str, Any] = {}
        if found.host and HOST.fullmatch(found.host):
            standard["hostname"] = found.host
        elif found.host:
            self._writing.losses.add(REWRITE, entry.origin, f"the host {found.host} is no host name; it is not set")
        if found.host_header:
            special["hostname"] = {"type": "Header", "header": found.host_header}
        elif found.host_from_backend:
            special["hostname"] = {"type": "Backend"}
        new = _plain(found.path, entry)
        if new is not None and new.kind == "text":
            new = None
        if new is not None and _is_standard(new, entry):
            standard["path"] = path(new)
        elif new is not None:
            pattern, value = _as_expression(new, entry)
            special["path"] = {
                "type": "ReplaceRegexMatch",
                "replaceRegexMatch": {"pattern": pattern, "substitution": value},
            }
        if special:
            extension["urlRewrite"] = special
        return standard

    def _extension(self, spec: dict[str, Any], entry: Entry, namespace: str, name: str) -> dict[str, Any]:
        plain = spec.get("directResponse") if len(spec) == 1 else None
        called = f"answer-{plain['statusCode']}" if plain else name
        made = self._writing.objects.share("HTTPRouteFilter", namespace, called, {"spec": spec}, [entry.rule.origin])
        return {
            "type": "ExtensionRef",
            "extensionRef": {"group": _GROUP, "kind": "HTTPRouteFilter", "name": made.name},
        }


def _plain(found: PathRewrite | None, entry: Entry) -> PathRewrite | None:
    """A rewrite of a prefix where none was matched replaces all of the path."""
    door = entry.door
    if found is not None and found.kind == "prefix" and door is not None and door.kind in ("exact", "regex"):
        return PathRewrite(kind="full", value=found.value or "/")
    return found


def _is_standard(found: PathRewrite, entry: Entry) -> bool:
    """Whether the Gateway API can say it: a prefix has to be that of the match."""
    if found.kind != "prefix":
        return found.kind == "full"
    written = write_path(entry.wanted.path, entry.longer_than)
    return written.type == "PathPrefix" and written == write_path(entry.door)


def _as_expression(found: PathRewrite, entry: Entry) -> tuple[str, str]:
    """A rewrite as a pattern and what its matches become."""
    if found.kind == "regex":
        return found.pattern, found.value
    door = entry.door or PathMatch(kind="prefix", value="/")
    fold = "(?i)" if door.ignore_case else ""
    if door.kind == "string_prefix":
        return f"{fold}^{re.escape(door.value)}", _literal(found.value or "/")
    stem, new = re.escape(door.value.rstrip("/")), found.value.rstrip("/")
    # What is left of the path never begins without a slash, unless nothing is left.
    return (f"{fold}^{stem}", _literal(new)) if new else (f"{fold}^{stem}/?", "/")


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\")


def _write_answer(found: Respond) -> dict[str, Any]:
    body = {"type": "Inline", "inline": found.body} if found.body else None
    return given(status_code=found.status, content_type=found.content_type or None, body=body)


def _write_cookies(found: Values) -> list[dict[str, Any]]:
    types = {"exact": "Exact", "regex": "RegularExpression"}
    return [{"type": types[one.kind], "name": one.name, "value": one.value or ANYTHING} for one in found]


def _write_cors(found: Cors) -> dict[str, Any]:
    made = given(
        allow_origins=list(found.allow_origins) or None,
        allow_methods=list(found.allow_methods) or None,
        allow_headers=list(found.allow_headers) or None,
        expose_headers=list(found.expose_headers) or None,
        max_age=max(1, round(found.max_age.total_seconds())) if found.max_age is not None else None,
        allow_credentials=found.allow_credentials or None,
    )
    return {"type": "CORS", "cors": made}


def is_for_grpc(rule: HttpRule) -> bool:
    """Whether a GRPCRoute has words for all that a rule does."""
    targets = getattr(rule.action, "targets", ())
    return (
        not isinstance(rule.action, Redirect)
        and rule.rewrite is None
        and rule.cors is None
        and all(one.rewrite is None and one.redirect is None for one in targets)
    )
