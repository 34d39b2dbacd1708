"""The controller's annotations of an Ingress: plugins, and how its Services are talked to.

Which there are: internal/adc/translator/annotations of apache/apisix-ingress-controller 2.2.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

PREFIX = "k8s.apisix.apache.org/"
_SCHEMES = ("http", "https", "grpc", "grpcs")
_MOVED, _LAST_REDIRECT = 301, 308
_TIMEOUTS = {"connect": "upstream-connect-timeout", "send": "upstream-send-timeout", "read": "upstream-read-timeout"}
_FLAGS = (
    *("use-regex", "enable-websocket", "enable-cors", "enable-csrf", "http-to-https"),
    *("enable-response-rewrite", "response-rewrite-body-base64"),
)
_KNOWN = frozenset(
    (
        *_FLAGS,
        *_TIMEOUTS.values(),
        *("plugin-config-name", "upstream-scheme", "upstream-retries", "svc-namespace", "ingress-class", "auth-type"),
        *("cors-allow-origin", "cors-allow-headers", "cors-allow-methods", "csrf-key"),
        *("http-redirect", "http-redirect-code"),
        *("rewrite-target", "rewrite-target-regex", "rewrite-target-regex-template"),
        *("response-rewrite-status-code", "response-rewrite-body"),
        *("response-rewrite-add-header", "response-rewrite-set-header", "response-rewrite-remove-header"),
        *("auth-uri", "auth-ssl-verify", "auth-request-headers", "auth-upstream-headers", "auth-client-headers"),
        *("allowlist-source-range", "blocklist-source-range", "http-allow-methods", "http-block-methods"),
    )
)
KNOWN = tuple(sorted(_KNOWN))


@dataclass(frozen=True)
class Added:
    """A plugin that an annotation adds."""

    plugin: str
    config: dict[str, Any]
    annotation: str


@dataclass
class Annotations:
    """What the annotations of one Ingress say. `remarks` are those that have no effect, each with the reason."""

    written: Mapping[str, str]
    remarks: list[tuple[str, str]] = field(default_factory=list)

    def get(self, name: str) -> str:
        """The value of an annotation; empty if it is absent."""
        return self.written.get(PREFIX + name, "")

    def is_on(self, name: str) -> bool:
        """Whether a flag is set: only `true` sets it."""
        return self.get(name) == "true"

    def split(self, name: str) -> list[str]:
        """The items of a list with commas."""
        return [one.strip() for one in self.get(name).split(",")] if self.get(name) else []

    def check(self) -> None:
        """Remark on what has no effect by itself."""
        for name in (one.removeprefix(PREFIX) for one in self.written if one.startswith(PREFIX)):
            if name not in _KNOWN:
                self.remarks.append((name, "there is no such annotation"))
        for name in _FLAGS:
            if self.get(name) not in ("", "true", "false"):
                self.remarks.append((name, 'only "true" switches it on'))
        pair = ("rewrite-target-regex", "rewrite-target-regex-template")
        for name, other in (pair, pair[::-1]):
            if self.get(name) and not self.get(other):
                self.remarks.append((name, f"it needs {other} beside it"))

    @property
    def scheme(self) -> Literal["http", "https", "grpc", "grpcs"] | None:
        """What is spoken with the Services."""
        found = self.get("upstream-scheme").lower()
        if found and found not in _SCHEMES:
            self.remarks.append(("upstream-scheme", f"expected one of {', '.join(_SCHEMES)}"))
            return None
        return found or None  # type: ignore[return-value]

    @property
    def retries(self) -> int | None:
        """How often a request is tried again; 0 leaves it as it is."""
        return self._read_whole("upstream-retries", self.get("upstream-retries")) or None

    @property
    def timeouts(self) -> dict[str, Any]:
        """Those of connect, send and read that are set."""
        found = {}
        for name, annotation in _TIMEOUTS.items():
            seconds = self._read_whole(annotation, self.get(annotation).removesuffix("s"))
            if seconds:
                found[name] = timedelta(seconds=seconds)
        return found

    @property
    def timeout_annotation(self) -> str:
        """Where the timeouts are set first."""
        return next((one for one in _TIMEOUTS.values() if self.get(one)), "")

    def list_plugins(self) -> list[Added]:
        """Every plugin that is asked for."""
        return [found for make in _PLUGINS for found in make(self)]

    def _read_whole(self, name: str, text: str) -> int:
        if text and not re.fullmatch(r"\d{1,9}", text):
            self.remarks.append((name, "expected a whole number"))
            return 0
        return int(text or 0)


def _cors(found: Annotations) -> Iterator[Added]:
    if found.is_on("enable-cors"):
        fields = {"origins": "origin", "methods": "methods", "headers": "headers"}
        config = {f"allow_{key}": found.get(f"cors-allow-{name}") for key, name in fields.items()}
        yield Added("cors", _filled(config), "enable-cors")


def _csrf(found: Annotations) -> Iterator[Added]:
    if found.is_on("enable-csrf") and found.get("csrf-key"):
        yield Added("csrf", {"key": found.get("csrf-key")}, "enable-csrf")
    elif found.is_on("enable-csrf"):
        found.remarks.append(("enable-csrf", "it needs csrf-key beside it"))


def _redirect(found: Annotations) -> Iterator[Added]:
    if found.is_on("http-to-https"):
        yield Added("redirect", {"http_to_https": True}, "http-to-https")
    elif found.get("http-redirect"):
        code = found.get("http-redirect-code")
        is_sound = code.isdecimal() and _MOVED <= int(code) <= _LAST_REDIRECT
        if code and not is_sound:
            found.remarks.append(("http-redirect-code", f"expected {_MOVED} to {_LAST_REDIRECT}; {_MOVED} holds"))
        config = {"uri": found.get("http-redirect"), "ret_code": int(code) if is_sound else _MOVED}
        yield Added("redirect", config, "http-redirect")


def _rewrite(found: Annotations) -> Iterator[Added]:
    pattern, template = found.get("rewrite-target-regex"), found.get("rewrite-target-regex-template")
    config: dict[str, Any] = _filled({"uri": found.get("rewrite-target")})
    if pattern and template:
        config["regex_uri"] = [pattern, template]
    if config:
        yield Added("proxy-rewrite", config, "rewrite-target" if "uri" in config else "rewrite-target-regex")


def _response(found: Annotations) -> Iterator[Added]:
    if not found.is_on("enable-response-rewrite"):
        return
    config: dict[str, Any] = _filled({"body": found.get("response-rewrite-body")})
    if found.is_on("response-rewrite-body-base64"):
        config["body_base64"] = True
    status = found.get("response-rewrite-status-code")
    if status.isdecimal():
        config["status_code"] = int(status)
    elif status:
        found.remarks.append(("response-rewrite-status-code", "expected a whole number"))
    pairs = (one.partition(":") for one in found.split("response-rewrite-set-header"))
    headers: dict[str, Any] = _filled(
        {
            "add": found.split("response-rewrite-add-header"),
            "set": {name.strip(): value.strip() for name, colon, value in pairs if colon},
            "remove": found.split("response-rewrite-remove-header"),
        }
    )
    if headers:
        config["headers"] = headers
    yield Added("response-rewrite", config, "enable-response-rewrite")


def _authentication(found: Annotations) -> Iterator[Added]:
    wanted = found.get("auth-type")
    if wanted:
        # The controller lets everybody in where it does not know the type; a plugin that nobody knows does not.
        yield Added({"keyAuth": "key-auth", "basicAuth": "basic-auth"}.get(wanted, wanted), {}, "auth-type")
    if found.get("auth-uri"):
        lists = ("request_headers", "upstream_headers", "client_headers")
        config = _filled({name: found.split(f"auth-{name.replace('_', '-')}") for name in lists})
        verify = found.get("auth-ssl-verify") != "false"
        yield Added("forward-auth", {"uri": found.get("auth-uri"), "ssl_verify": verify, **config}, "auth-uri")


def _addresses(found: Annotations) -> Iterator[Added]:
    allowed, blocked = found.split("allowlist-source-range"), found.split("blocklist-source-range")
    if allowed or blocked:
        place = "allowlist-source-range" if allowed else "blocklist-source-range"
        yield Added("ip-restriction", _filled({"whitelist": allowed, "blacklist": blocked}), place)


def _methods(found: Annotations) -> Iterator[Added]:
    allowed, blocked = found.split("http-allow-methods"), found.split("http-block-methods")
    if allowed:
        condition = ["request_method", "!", "in", allowed]
        yield Added("fault-injection", _abort(condition), "http-allow-methods")
        if blocked:
            found.remarks.append(("http-block-methods", "http-allow-methods says it all"))
    elif blocked:
        yield Added("fault-injection", _abort(["request_method", "in", blocked]), "http-block-methods")


def _abort(condition: list[Any]) -> dict[str, Any]:
    return {"abort": {"http_status": 405, "vars": [[condition]]}}


def _filled(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if value}


_PLUGINS: tuple[Callable[[Annotations], Iterator[Added]], ...] = (
    *(_cors, _csrf, _redirect, _rewrite, _response, _authentication, _addresses, _methods),
)
