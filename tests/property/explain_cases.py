"""Random route sets and requests that meet often: few names, few values, many overlaps."""

import json
import random
from itertools import count

import msgspec

from anygate.explain import Request
from anygate.model.edit import HeaderEdit, PathRewrite, Redirect, Respond, Rewrite
from anygate.model.inference import Inference, ModelEndpoint
from anygate.model.listener import Gateway, HttpServer, Listener, Server
from anygate.model.match import HttpMatch, PathMatch, ValueMatch
from anygate.model.origin import Origin
from anygate.model.route import BackendTarget, Forward, HttpRoute, HttpRule
from anygate.model.tls import ServerTls

HOSTNAMES = [
    "*.example.com",
    "a.example.com",
    "b.example.com",
    "*.a.example.com",
    "x.a.example.com",
    "example.com",
    "*.com",
    "shop.test",
]
HOSTS = [
    *(name.replace("*", "w") for name in HOSTNAMES),
    "deep.x.a.example.com",
    "localhost",
    "127.0.0.1",
    "[::1]",
]
PATHS = [
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/ab",
    "/a/b/",
    "/A",
    "/a/b/c",
    "/a.b",
    "/a%20b",
    "/a;b",
    "/a//b",
    "/b",
    "/b/a",
    "/%61",
]
PATTERNS = [
    "/a.*",
    "/[ab]+/?",
    "/a/(b|c)",
    ".*",
    r"/\d+",
    "(?i)/A/.*",
    "/a(/.*)?",
    "/.*b$",
    "[^x]*",
    "/a/[[:alpha:]]+",
    "/(?P<w>a)/b",
    r"/a\.b",
    "/a{1,2}",
    r"/\pL",
    "/(?:a|ab)(?:b|)",
]
PIECES = [
    "a",
    "b",
    "c",
    "A",
    "ab",
    "/",
    "//",
    "..",
    ".",
    "%2e%2e",
    "%2E",
    ";",
    "%61",
    "%20",
    "%",
    "%2",
    "%2F",
    "%5c",
    "\\",
    "|",
    "a.b",
    "~",
    "1",
    "..;x",
    "%zz",
]
VALUES = ["1", "2", "a", "A", "a,b", "ab", "", "a b", "12", "x1", "%31"]
VALUE_PATTERNS = ["a.*", "[0-9]+", "a|b", ".+", "(?i)A", "a,b"]
NAMES = ["x-a", "X-B", "x-c"]
PARAMETERS = ["q", "Q", "p", "x-a"]
ATOMS = [
    *(
        "a",
        "b",
        "A",
        "1",
        ".",
        "/",
        "/",
        r"\d",
        r"\w",
        r"\S",
        "[ab]",
        "[^/]",
        "[[:alpha:]]",
        r"[a\-c]",
        "[]a]",
        "[^]/]",
    ),
    *(
        "[[:lower:]_]",
        r"[\d/]",
        r"\x61",
        r"\x{61}",
        "(?i:a)",
        "(?:a|b)",
        "(a|ab)",
        "(?P<n>b)",
        r"\b",
        "a{,2}",
        "%",
        r"\.",
    ),
    *("(?i:[a-c])", r"\/", "^", "$", r"\z", "()", "[.]", "(?s:.)", "&", "[&~|]"),
]
REPEATS = ["", "", "", "", "*", "+", "?", "*?", "+?", "??", "{1,2}", "{2}", "{0,}"]

METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]
WATCHED = {"x-a", "x-b", "x-c", "x-set", "x-add", "x-ai-eg-model"}

MODELS = ["m1", "m2", "M1", "m1-mini", "-", "!", "5", "true", "m 1"]
MODEL_PATTERNS = ["m.*", "M1|m2", ".+", "m[0-9]"]
ENDPOINTS: list[tuple[ModelEndpoint, str]] = [
    ("chat", "/v1/chat/completions"),
    ("messages", "/v1/messages"),
    ("transcription", "/v1/audio/transcriptions"),
]
BODIES = [
    b"",
    b"{}",
    b"[]",
    b"{",
    b'{"model":5}',
    b'{"model":true}',
    b'{"model":null}',
    b'{"model":""}',
    b'{"model":["m1"]}',
    b'{"model":"m1","a":NaN}',
    b'{"model":"m2","model":"m1"}',
    b'{"model":"m\\u0031"}',
    b'{"model":"m1\\n"}',
    b'\xef\xbb\xbf {"model":"m1"} ',
    b'{"model":"\\ud800"}',
    b'{"model":"\xff"}',
    b'{"model":"m1"}x',
]


class Generator:
    """Makes route sets and requests that meet often: few names, few values, many overlaps."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.line = count(1)
        self.inference = False

    def origin(self, kind: str, name: str, path: str = "") -> Origin:
        return Origin(kind, "default", name, path, "set.yaml", next(self.line), 1)

    def maybe(self, chance: float) -> bool:
        return self.random.random() < chance

    def some(self, least: int, most: int) -> range:
        return range(self.random.randint(least, most))

    def gateway(self, name: str) -> Gateway:
        listeners = tuple(self.listener(f"{name}/{at}", port) for at, port in enumerate(self.ports()))
        return Gateway(origin=self.origin("Gateway", name), name=name, listeners=listeners)

    def ports(self) -> list[int]:
        return self.random.sample([80, 443, 8080, 8443], self.random.choice([1, 1, 2]))

    def listener(self, name: str, port: int) -> Listener:
        protocol = "https" if port in (443, 8443) else "http"
        self.inference = self.maybe(0.35)
        hostnames = self.random.sample(["", *HOSTNAMES], self.random.choice([1, 1, 2, 3]))
        if self.maybe(0.4) and "" not in hostnames:
            hostnames[0] = ""
        http = HttpServer(
            escaped_slashes=self.random.choice(["redirect", "redirect", "redirect", "keep", "reject", "forward"]),
            merge_slashes=self.maybe(0.85),
            underscores=self.random.choice(["reject", "reject", "allow", "drop"]),
            early_request_headers=self.some_edit() if self.maybe(0.15) else None,
            health_check_path="/health?ok" if self.maybe(0.2) else "",
        )
        servers = []
        for at, hostname in enumerate(hostnames):
            tls = (
                ServerTls(origin=self.origin("Gateway", name), certificates=("cert",)) if protocol == "https" else None
            )
            servers.append(
                Server(
                    origin=self.origin("Gateway", name, f"spec.listeners[{at}]"),
                    name=f"{name}/{at}",
                    protocol=protocol,  # type: ignore[arg-type]
                    hostname=hostname,
                    tls=tls,
                    http=http,
                    routes=tuple(self.route(f"{name}-{at}-{each}") for each in self.some(1, 4)),
                )
            )
        return Listener(
            origin=self.origin("Gateway", name), name=name, port=port, transport="tcp", servers=tuple(servers)
        )

    def route(self, name: str) -> HttpRoute:
        return HttpRoute(
            origin=self.origin("HTTPRoute", name.replace("/", "-")),
            name=name,
            hostnames=tuple(self.random.sample(HOSTNAMES, self.random.choice([0, 0, 1, 2]))),
            rules=tuple(self.any_rule(name, at) for at in self.some(1, 4)),
            created=self.random.choice(["", "2024-01-01", "2025-01-01"]),
        )

    def any_rule(self, route: str, at: int) -> HttpRule:
        return self.ai_rule(route, at) if self.inference and self.maybe(0.6) else self.rule(route, at)

    def ai_rule(self, route: str, at: int) -> HttpRule:
        endpoint, path = self.random.choice(ENDPOINTS)
        matches = tuple(self.ai_match(route, path) for _ in range(self.random.choice([1, 1, 2])))
        several = self.maybe(0.4)
        targets = tuple(self.ai_target(route, several) for _ in range(self.random.choice([1, 1, 2, 3])))
        origin = self.origin("AIGatewayRoute", route, f"spec.rules[{at}]")
        return HttpRule(
            origin=origin,
            name=str(at),
            matches=matches,
            action=Forward(origin=origin, targets=targets),
            request_headers=self.edit() if self.maybe(0.3) else None,
            inference=Inference(origin=origin, endpoint=endpoint, route=route),
        )

    def ai_match(self, route: str, path: str) -> HttpMatch:
        model = ValueMatch(name="x-ai-eg-model", value=self.random.choice(MODELS))
        if self.maybe(0.2):
            model = ValueMatch(name="X-AI-EG-Model", kind="regex", value=self.random.choice(MODEL_PATTERNS))
        headers = (model,) if self.maybe(0.8) else ()
        headers += (self.value_match(NAMES),) if self.maybe(0.2) else ()
        return HttpMatch(
            origin=self.origin("AIGatewayRoute", route, "match"),
            path=PathMatch(kind="exact", value=path),
            headers=headers,
            rank=(1, len(path), 0, len(headers), 0),
        )

    def ai_target(self, route: str, several: bool) -> BackendTarget:
        return BackendTarget(
            origin=self.origin("AIGatewayRoute", route, "backendRefs"),
            backend=self.random.choice(["b0", "b1", "b2", "b3", "b0", "b1", ""]),
            weight=self.random.choice([0, 1, 1, 3]),
            priority=self.random.choice([0, 1, 2]) if several else 0,
        )

    def rule(self, route: str, at: int) -> HttpRule:
        matches = tuple(self.match(route) for _ in range(self.random.choice([0, 1, 1, 1, 2, 3])))
        action = self.action(route)
        rewrite = self.rewrite("rule.internal") if self.maybe(0.4) else None
        if rewrite and isinstance(action, Forward) and _rewrites_host(action):
            # A route's own host overrides the one of its weighted cluster in Envoy.
            rewrite = Rewrite(path=rewrite.path)
        return HttpRule(
            origin=self.origin("HTTPRoute", route, f"spec.rules[{at}]"),
            name=str(at),
            matches=matches,
            action=action,
            request_headers=self.edit() if self.maybe(0.3) else None,
            rewrite=rewrite,
        )

    def match(self, route: str) -> HttpMatch:
        path = self.path_match() if self.maybe(0.9) else None
        headers = tuple(self.value_match(NAMES) for _ in range(self.random.choice([0, 0, 0, 0, 1, 2])))
        query = tuple(self.value_match(PARAMETERS, ranges=False) for _ in range(self.random.choice([0, 0, 0, 0, 1])))
        cookies = tuple(self.value_match(["c", "d"], ranges=False) for _ in range(self.random.choice([0] * 8 + [1])))
        method = self.random.choice(METHODS) if self.maybe(0.15) else ""
        exact = path is not None and path.kind == "exact"
        rank = (exact, len(path.value) if path else 1, bool(method), len(headers), len(query))
        return HttpMatch(
            origin=self.origin("HTTPRoute", route, "match"),
            path=path,
            method=method,
            headers=headers,
            query=query,
            cookies=cookies,
            rank=tuple(map(int, rank)),
        )

    def path_match(self) -> PathMatch:
        kind = self.random.choice(["exact", "prefix", "prefix", "prefix", "string_prefix", "regex"])
        value = self.pattern(PATTERNS) if kind == "regex" else self.random.choice(PATHS)
        return PathMatch(kind=kind, value=value, ignore_case=self.maybe(0.15))  # type: ignore[arg-type]

    def pattern(self, usual: list[str]) -> str:
        """An expression that RE2 takes: one bad expression makes Envoy refuse a whole route table."""
        if self.maybe(0.5):
            return self.random.choice(usual)
        parts = []
        for _ in self.some(1, 5):
            atom = self.random.choice(ATOMS)
            repeat = "" if atom in ("^", "$", "a{,2}", r"\b", r"\z", r"\x{61}") else self.random.choice(REPEATS)
            parts.append(atom.replace("<n>", f"<n{next(self.line)}>") + repeat)
        return self.random.choice(["", "/", "/a", "/"]) + self.random.choice(["", "", "", "|"]).join(parts)

    def value_match(self, names: list[str], ranges: bool = True) -> ValueMatch:
        kinds = ["exact"] * 4 + ["regex", "prefix", "suffix", "contains", "present"] + (["range"] if ranges else [])
        kind = self.random.choice(kinds)
        value = self.pattern(VALUE_PATTERNS) if kind == "regex" else self.random.choice(VALUES)
        return ValueMatch(
            name=self.random.choice(names),
            kind=kind,  # type: ignore[arg-type]
            value="" if kind in ("present", "range") else value,
            range_start=1 if kind == "range" else 0,
            range_end=12 if kind == "range" else 0,
            invert=self.maybe(0.2),
        )

    def action(self, route: str) -> Forward | Redirect | Respond:
        kind = self.random.choice(["forward"] * 12 + ["redirect"] * 3 + ["respond"])
        if kind == "redirect":
            return self.redirect(route)
        if kind == "respond":
            return Respond(
                origin=self.origin("HTTPRoute", route), status=self.random.choice([200, 403, 503]), body="no"
            )
        targets = tuple(self.target(route) for _ in range(self.random.choice([0, *[1] * 8, 2, 2, 3])))
        return Forward(origin=self.origin("HTTPRoute", route), targets=targets)

    def target(self, route: str) -> BackendTarget:
        alone = self.maybe(0.25)
        return BackendTarget(
            origin=self.origin("HTTPRoute", route, "backendRefs"),
            backend=self.random.choice([*(["b0", "b1", "b2", "b3"] * 4), "", "empty"]),
            weight=self.random.choice([0, 1, 1, 1, 1, 1, 3, 3]),
            request_headers=self.edit() if self.maybe(0.2) else None,
            rewrite=self.rewrite("target.internal") if alone else None,
            redirect=self.redirect(route) if self.maybe(0.05) else None,
        )

    def edit(self) -> HeaderEdit:
        names = [*NAMES, "x-set", "x-add"]
        pairs = [(self.random.choice(names), self.random.choice(["1", "50%", "v%REQ(x)%"])) for _ in self.some(0, 2)]
        more = [(self.random.choice(names), self.random.choice(["n", "m"])) for _ in self.some(0, 2)]
        return HeaderEdit(
            set=tuple(pairs),
            add=tuple(more),
            remove=tuple(self.random.sample(names, self.random.choice([0, 0, 1]))),
        )

    def some_edit(self) -> HeaderEdit:
        edit = self.edit()
        return edit if edit != HeaderEdit() else HeaderEdit(set=(("x-set", "early"),))

    def path_rewrite(self, *, regex: bool) -> PathRewrite:
        kind = self.random.choice(["full", "prefix", "prefix", *(["regex"] if regex else [])])
        if kind == "regex":
            pattern = self.pattern(["a", "/a(.*)", "^/(.)", "x*", "(/[^/]*)$", "b|c"])
            value = self.random.choice(["/z", r"\\", "-", r"/z\0"])
            return PathRewrite(kind="regex", pattern=pattern, value=value)
        value = self.random.choice(["/", "/x", "/x/", "/x/y", "/a%20c", "/x\\y" if kind == "full" else ""])
        return PathRewrite(kind=kind, value=value)  # type: ignore[arg-type]

    def rewrite(self, host: str) -> Rewrite:
        where = self.random.choice(["", "", "host", "header"])
        return Rewrite(
            host=host if where == "host" else "",
            host_header="x-a" if where == "header" and self.maybe(0.3) else "",
            path=self.path_rewrite(regex=True) if self.maybe(0.7) else None,
        )

    def redirect(self, route: str) -> Redirect:
        return Redirect(
            origin=self.origin("HTTPRoute", route),
            scheme=self.random.choice(["", "", "https", "http"]),
            host=self.random.choice(["", "", "other.org"]),
            port=self.random.choice([0, 0, 0, 80, 443, 8080, 9000]),
            path=self.path_rewrite(regex=False) if self.maybe(0.5) else None,
            status=self.random.choice([301, 302, 303, 307, 308]),
        )

    def request(self, listener: Listener, port: int) -> Request:
        scheme = "https" if listener.port in (443, 8443) else "http"
        named = [server.hostname for server in listener.servers if server.hostname]
        named += [name for server in listener.servers for route in server.routes for name in route.hostnames]
        hosts = [*HOSTS, *(3 * [name.replace("*", self.random.choice("wx")) for name in named])]
        host = self.random.choice(hosts)
        headers = [(self.random.choice(NAMES), self.random.choice(VALUES)) for _ in self.some(0, 3)]
        if self.maybe(0.5):
            asked = self.random.choice(hosts)
            asked = self.random.choice(
                [asked, asked, asked.upper(), asked + ".", asked + ":80", asked + ":8080", asked + ".:443"]
            )
            headers.append(("Host", asked))
        if self.maybe(0.2):
            values = [*VALUES, '"1"', '"a']
            cookies = [f"{self.random.choice('cdC')}={self.random.choice(values)}" for _ in self.some(1, 3)]
            headers.append(("cookie", self.random.choice(["; ", ";"]).join(cookies)))
        if self.maybe(0.03):
            headers.append(("x_under", "1"))
        if _has_inference(listener) and self.maybe(0.6):
            return self.ai_request(Request(scheme=scheme, host=host, port=port, headers=tuple(headers)))
        return Request(
            method=self.random.choice([*METHODS, "GET", "GET", "GET", "GET"]) if self.maybe(0.98) else "BREW",
            scheme=scheme,
            host=host,
            port=port,
            path="/health" if self.maybe(0.02) else self.path(listener),
            query="ok" if self.maybe(0.05) else self.query() if self.maybe(0.4) else None,
            headers=tuple(headers),
        )

    def ai_request(self, request: Request) -> Request:
        endpoint, path = self.random.choice(ENDPOINTS)
        headers = list(request.headers)
        body = self.random.choice(BODIES) if self.maybe(0.3) else b""
        if not body and self.maybe(0.9):
            body = json.dumps({"x": 1, "model": self.random.choice([*MODELS, *MODELS, "unknown"])}).encode()
        if endpoint == "transcription" and self.maybe(0.6):
            names = [self.random.choice(MODELS) for _ in range(self.random.choice([0, 1, 1, 1, 1, 2]))]
            body = "".join(_FORM_PART.format(name) for name in names).encode() + b"--bound--\r\n"
            headers.append(("content-type", "multipart/form-data; boundary=bound"))
        if self.maybe(0.2):
            headers.append(("x-ai-eg-model", self.random.choice(MODELS)))
        return msgspec.structs.replace(
            request,
            method=self.random.choice(["POST"] * 9 + METHODS),
            path=path + self.random.choice([""] * 12 + ["/", "x"]),
            query=self.query() if self.maybe(0.2) else None,
            headers=tuple(headers),
            body=body,
        )

    def path(self, listener: Listener) -> str:
        matches = (
            match.path.value
            for server in listener.servers
            for route in server.routes
            for rule in route.rules
            for match in rule.matches
            if match.path and match.path.kind != "regex"
        )
        if self.maybe(0.4):
            return self.random.choice([*matches, "/"]) + self.random.choice(["", "", "/", "/b", "c", "//"])
        if self.maybe(0.4):
            return self.random.choice(PATHS)
        start = self.random.choice(["/", *PATHS])
        return start + "".join(self.random.choice(PIECES) for _ in self.some(1, 5))

    def query(self) -> str:
        parts = [f"{self.random.choice(PARAMETERS)}={self.random.choice(VALUES)}" for _ in self.some(0, 3)]
        parts += self.random.sample(["q", "p", "", "=1"], self.random.choice([0, 0, 1]))
        return self.random.choice("&&&;").join(parts).replace(" ", "+")


_FORM_PART = '--bound\r\nContent-Disposition: form-data; name="model"\r\n\r\n{}\r\n'


def _has_inference(listener: Listener) -> bool:
    rules = (rule for server in listener.servers for route in server.routes for rule in route.rules)
    return any(rule.inference for rule in rules)


def _rewrites_host(action: Forward) -> bool:
    """Whether one of several targets has a host of its own."""
    return len(action.targets) > 1 and any(target.rewrite and target.rewrite.host for target in action.targets)
