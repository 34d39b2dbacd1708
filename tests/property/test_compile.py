"""The whole compile under bad input: it never raises, never takes down a neighbour, and never opens what is closed."""

import os
import subprocess
import sys
from functools import cache
from typing import Any, NamedTuple
from zlib import crc32

import manifest_sets as sets
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from anygate.compiler import CompileCache, Result, compile_sources
from anygate.diagnostics import Diagnostic, Report, Severity, SourceFile
from anygate.diagnostics.rule import RULES
from anygate.envoy.api import message
from anygate.envoy.snapshot import CLUSTER, ENDPOINTS, LISTENER, ROUTES, TYPES
from anygate.manifests.load import decode_source
from anygate.model.edit import Respond
from anygate.model.listener import Server
from anygate.model.route import HttpRoute, HttpRule
from anygate.model.tls import ClientTls, ClientValidation

EXHAUSTIVE = bool(os.environ.get("ANYGATE_EXHAUSTIVE"))
"""Whether every mutation is tried; otherwise a fixed part of them, larger where something protects."""

PARTS = {"SecurityPolicy": 6, "ClientTrafficPolicy": 2, "BackendTLSPolicy": 2, "Gateway": 6}

CALM = sets.write(sets.calm_set(), "calm.yaml")
GUARDS = ("SecurityPolicy", "ClientTrafficPolicy", "BackendTLSPolicy")
RETARGETED = frozenset(("policy-target-not-found", "unknown-kind", "kind-not-supported", "not-allowed"))
AUTH = ("apiKeyAuth", "basicAuth", "jwt", "oidc", "extAuth", "authorization")


class Case(NamedTuple):
    """One mutated document of a set."""

    index: int
    path: sets.Path_
    what: str
    document: Any

    def __str__(self) -> str:
        return f"document {self.index} at {'.'.join(map(str, self.path))}: {self.what}"


@cache
def calm() -> Result:
    return compile_sources([CALM])


def check_findings(result: Result, *files: SourceFile) -> None:
    """Every diagnostic has a known rule and a position in one of the files."""
    lines = {file.name: len(file.lines) for file in files}
    for found in result.diagnostics:
        assert found.rule in RULES
        assert found.span is not None, found
        assert 1 <= found.span.line <= lines[found.span.file.name], found
        assert found.message


def check_calm(result: Result) -> None:
    """What the neighbours ask for is there, unchanged."""
    for type_url in (LISTENER, ROUTES, ENDPOINTS):
        for name, wanted in calm().snapshot[type_url].items():
            assert result.snapshot[type_url][name].body == wanted.body
    assert calm().snapshot[CLUSTER].keys() <= result.snapshot[CLUSTER].keys()


def cases(documents: list[sets.Document], kinds: tuple[str, ...]) -> list[Case]:
    """Mutations of all documents of some kinds, or of those of all kinds that guard nothing."""
    found = []
    for index, document in enumerate(documents):
        if document["kind"] not in (kinds or {one["kind"] for one in documents} - set(GUARDS)):
            continue
        part = 1 if EXHAUSTIVE else PARTS.get(document["kind"], 12)
        for number, (path, what, spoilt) in enumerate(sets.spoil(document)):
            if crc32(f"{index}/{number}".encode()) % part == 0:
                found.append(Case(index, path, what, spoilt))
    return found


def rich_cases(documents: list[sets.Document]) -> list[Case]:
    step = 1 if EXHAUSTIVE else 36
    spoilt = (Case(i, *one) for i, document in enumerate(documents) for one in sets.spoil(document))
    return [case for number, case in enumerate(spoilt) if crc32(str(number).encode()) % step == 0]


class Bench:
    """Compiles a set with one document exchanged; what does not change is parsed once."""

    def __init__(self, documents: list[sets.Document]) -> None:
        self.documents = documents
        self.texts = [f"---\n{sets.render(document)}\n" for document in documents]
        self.cache = CompileCache()
        self.plain = self.compile(0, documents[0])

    def compile(self, index: int, document: Any) -> Result:
        texts = [*self.texts]
        texts[index] = f"---\n{sets.render(document)}\n"
        file = SourceFile("in.yaml", "".join(texts))
        result = compile_sources([CALM, file], cache=self.cache)
        check_findings(result, CALM, file)
        check_calm(result)
        return result


def test_the_protected_set_is_sound_and_closed():
    bench = Bench(sets.protected_set())
    assert [str(found) for found in bench.plain.diagnostics] == []
    assert open_places(bench.plain) == set()
    assert all(strong_server(bench.plain, name) is True for name in ("https", "more"))
    assert strong_backend(bench.plain) is True


def test_the_rich_set_is_read():
    result = Bench(sets.rich_set()).plain
    assert {found.rule for found in result.diagnostics if found.severity is Severity.ERROR} <= {
        "no-matching-hostname",
        "unsupported-value",
    }
    assert {route.name for route in routes_of(result)} >= {"default/shop", "default/orders"}
    actions = [rule.action for route in routes_of(result) for rule in route.rules]
    assert not any(isinstance(action, Respond) for action in actions)


def test_any_single_mutation_of_a_rich_manifest_is_survived():
    documents = sets.rich_set()
    bench = Bench(documents)
    for case in rich_cases(documents):
        try:
            bench.compile(case.index, case.document)
        except Exception as problem:
            raise AssertionError(str(case)) from problem


@pytest.mark.parametrize("kinds", [("SecurityPolicy",), ("ClientTrafficPolicy", "BackendTLSPolicy"), ()], ids=str)
def test_no_single_mutation_opens_anything(kinds):
    documents = sets.protected_set()
    bench = Bench(documents)
    failures = []
    for case in cases(documents, kinds):
        try:
            result = bench.compile(case.index, case.document)
        except Exception as problem:
            raise AssertionError(str(case)) from problem
        failures += [f"{case}: {text}" for text in opened(documents[case.index], case, result)]
    assert failures == [], f"{len(failures)} open"


def routes_of(result: Result) -> list[HttpRoute]:
    return [route for server in servers_of(result) for route in server.routes]


def servers_of(result: Result) -> list[Server]:
    found = [gateway for gateway in result.model.gateways if gateway.name == "default/web"]
    return [server for gateway in found for listener in gateway.listeners for server in listener.servers]


def is_closed(rule: HttpRule) -> bool:
    action = rule.action
    return rule.security is not None or (isinstance(action, Respond) and action.status >= 400)


def open_places(result: Result) -> set[tuple[str, str]]:
    """Listener and name of every route that must not be open and is, by the model and by Envoy's routes."""
    found = set()
    for server in servers_of(result):
        for route in server.routes:
            name = route.name.partition("/")[2]
            if name in sets.PROTECTED.get(server.name, ()) and not all(map(is_closed, route.rules)):
                found.add((server.name, name))
    return found | open_in_envoy(result)


_TABLES = {"http": "default/web/80", "more": "default/web/8443"}
_known_tables: dict[bytes, frozenset[str]] = {}


def open_in_envoy(result: Result) -> set[tuple[str, str]]:
    found = set()
    for server, names in sets.PROTECTED.items():
        for resource in result.snapshot[ROUTES].values():
            if resource.name.startswith(_TABLES[server]):
                hosts = open_hosts(resource.body)
                found |= {(server, name) for name in names if f"{name}.example.com" in hosts}
    return found


def open_hosts(body: bytes) -> frozenset[str]:
    """The hosts of a route table with a route that sends requests on and asks for nothing."""
    if body not in _known_tables:
        table = message("envoy.config.route.v3.RouteConfiguration").FromString(body)
        _known_tables[body] = frozenset(
            domain
            for host in table.virtual_hosts
            for domain in host.domains
            if any(route.HasField("route") and not guarded(route) for route in host.routes)
        )
    return _known_tables[body]


def guarded(route: Any) -> bool:
    guards = ("basic_auth", "api_key", "jwt", "oauth2", "oidc", "ext_authz", "rbac")
    return any(guard in name for name in route.typed_per_filter_config for guard in guards)


def strong_server(result: Result, name: str) -> bool | None:
    """Whether a server checks its clients' certificates; None when it is not served."""
    found = next((server for server in servers_of(result) if server.name == name), None)
    if found is None or (chains := served_chains(result, {"https": 443, "more": 8443}[name])) == 0:
        return None
    assert chains == 1
    return found.tls is not None and is_strong(found.tls.client_validation)


def served_chains(result: Result, port: int) -> int:
    """How many filter chains Envoy is given for a port."""
    body = result.snapshot[LISTENER].get(f"default/web/{port}")
    return len(message("envoy.config.listener.v3.Listener").FromString(body.body).filter_chains) if body else 0


def is_strong(found: ClientValidation | None) -> bool:
    return found is not None and bool(found.authorities or found.spki_hashes or found.certificate_hashes)


def strong_backend(result: Result) -> bool | None:
    """Whether the route to the database verifies it; None when it sends nothing there."""
    backends = {backend.name: backend for backend in result.model.backends}
    found = None
    for route in routes_of(result):
        if route.name == "default/tls":
            for rule in route.rules:
                for target in getattr(rule.action, "targets", ()):
                    if target.backend:
                        found = found is not False and verifies(backends[target.backend].tls)
    return found


def verifies(tls: ClientTls | None) -> bool:
    return tls is not None and not tls.insecure and bool(tls.authorities or tls.system_authorities) and bool(tls.names)


def opened(document: sets.Document, case: Case, result: Result) -> list[str]:
    """What a mutation opened without being allowed to."""
    found = [f"{route} on {server}" for server, route in sorted(open_places(result))]
    found += [f"no client certificates on {name}" for name in ("https", "more") if strong_server(result, name) is False]
    found += ["the backend is not verified"] if strong_backend(result) is False else []
    if not found or is_asked_for(document, case):
        return []
    own = [one for one in result.diagnostics if at_document(one, case)]
    if case.path == ("kind",):
        # What it was cannot be known, so all that can be asked is that somebody says so.
        return [] if any(one.severity is not Severity.NOTE for one in own) else found
    return [] if any(one.rule in RETARGETED for one in own) else found


def at_document(found: Diagnostic, case: Case) -> bool:
    return found.span is not None and found.span.file.name == "in.yaml" and found.span.line == 2 * case.index + 2


def is_asked_for(document: sets.Document, case: Case) -> bool:
    """Whether the mutation is how a user takes a protection away, in so many words."""
    kind, path = document["kind"], case.path
    taken = case.what == "None" or "Absent" in case.what
    if kind == "SecurityPolicy":
        return taken and len(path) == 2 and path[1] in (*AUTH, "mergeType")
    if kind == "ClientTrafficPolicy":
        empty = path == ("spec", "tls") and case.what == "{}"
        return empty or (taken and path in (("spec", "tls"), ("spec", "tls", "clientValidation")))
    if kind == "Gateway":
        ways = ("spec", "tls", "frontend", "perPort", 0, "tls", "validation")
        empty = taken or case.what in ("{}", "[]")
        return empty and path == ways[: len(path)] and len(path) > 1
    if kind == "HTTPRoute":
        return path[:2] in (("metadata", "labels"), ("spec", "rules")) or path in (("metadata",), ("metadata", "name"))
    return False


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=12)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
)
DOCUMENTS = sets.protected_set() + sets.rich_set()
SLOW = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def spoilt_document(draw: Any, documents: list[sets.Document] = DOCUMENTS) -> Any:
    """A real document with up to four values exchanged for anything."""
    document = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(1, 4))):
        places = list(sets.paths(document))
        if not places:
            break
        wanted = draw(VALUES | st.sampled_from(sets.REPLACEMENTS))
        document = sets.change(document, draw(st.sampled_from(places)), wanted)
    return document


def compile_survives(*files: SourceFile) -> Result:
    result = compile_sources([CALM, *files])
    check_findings(result, CALM, *files)
    check_calm(result)
    return result


@given(st.lists(spoilt_document(), min_size=1, max_size=6))
@SLOW
def test_any_mixture_of_spoilt_documents_is_survived(documents):
    compile_survives(sets.write(documents))


@given(st.integers(0, 10**6), st.text("{}[]:,-#&*!|>'\"%@`\n\t \\x\x00é", max_size=6), st.integers(0, 30))
@SLOW
def test_text_spoilt_anywhere_opens_nothing(at, text, cut):
    """Typing mistakes in a policy of the protected set, wherever they are."""
    plain = sets.write(sets.protected_set()).text
    first = plain.index('"SecurityPolicy"')
    place = first + at % (plain.rindex('"SecurityPolicy"') - first)
    # A "#" in place of the marker between two documents comments the second one out: it is gone, not spoilt.
    assume("#" not in text or "---" not in plain[place : place + cut])
    file = SourceFile("in.yaml", plain[:place] + text + plain[place + cut :])
    result = compile_survives(file)
    told = any(found.severity is not Severity.NOTE for found in result.diagnostics)
    assert told or open_places(result) == set() or text == plain[place : place + cut]


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@SLOW
def test_any_bytes_are_survived(content):
    report = Report()
    sources = tuple(decode_source("in.yaml", content, report))
    result = compile_survives(*sources)
    assert all(found.rule in RULES and found.span for found in (*report.diagnostics, *result.diagnostics))


@given(st.sampled_from(DOCUMENTS), VALUES, VALUES)
@SLOW
def test_any_value_in_place_of_spec_and_metadata_is_survived(document, spec, metadata):
    compile_survives(sets.write([{**document, "spec": spec}, {**document, "metadata": metadata}, spec]))


def observe(result: Result) -> tuple[Any, ...]:
    """Everything that a compile yields, in a form that can be compared."""
    bodies = [(url, name, each.body) for url in TYPES for name, each in sorted(result.snapshot[url].items())]
    outcomes = [(ref, one.verdict, repr(one.status)) for ref, one in result.outcomes.items()]
    return bodies, result.model, outcomes, [str(found) for found in result.diagnostics]


def without_places(result: Result) -> tuple[Any, ...]:
    """What does not depend on where in which file an object stands."""
    found = sorted((one.rule, one.message, str(one.object)) for one in result.diagnostics)
    names = [(url, sorted(result.snapshot[url])) for url in TYPES]
    outcomes = {ref: (one.verdict, repr(one.status)) for ref, one in result.outcomes.items()}
    return names, outcomes, found


ORDERED = sets.protected_set()


@given(st.permutations(range(len(ORDERED))))
@settings(max_examples=40, deadline=None)
def test_the_order_of_files_changes_nothing(order):
    """One file for each object, so that positions stay as they are."""
    files = [SourceFile(f"{index:03}.yaml", sets.render(document)) for index, document in enumerate(ORDERED)]
    expected = observe(compile_sources(files))
    assert observe(compile_sources([files[index] for index in order])) == expected


@given(st.permutations(range(len(DOCUMENTS) - len(ORDERED))))
@settings(max_examples=30, deadline=None)
def test_the_order_of_documents_changes_no_more_than_positions(order):
    documents = DOCUMENTS[len(ORDERED) :]
    expected = without_places(compile_sources([sets.write(documents)]))
    assert without_places(compile_sources([sets.write([documents[index] for index in order])])) == expected


@given(st.lists(st.tuples(st.integers(0, len(ORDERED) - 1), st.integers(0, 10**6), st.booleans()), max_size=8))
@settings(max_examples=25, deadline=None)
def test_a_warm_cache_changes_nothing(edits):
    """After any sequence of edits a compile with the cache equals one without."""
    cache, documents = CompileCache(), [*ORDERED]
    compile_sources([sets.write(documents)], cache=cache)
    for index, choice, dropped in edits:
        spoilt = list(sets.spoil(ORDERED[index]))
        documents[index] = ORDERED[index] if dropped else spoilt[choice % len(spoilt)][2]
        file = sets.write(documents)
        assert observe(compile_sources([file], cache=cache)) == observe(compile_sources([file]))


SEEDED = """
import hashlib, sys
from pathlib import Path
from anygate.compiler import compile_sources
from anygate.diagnostics import SourceFile
from anygate.envoy.snapshot import TYPES
result = compile_sources([SourceFile("in.yaml", sys.stdin.buffer.read().decode())])
print(len(result.diagnostics), len(result.outcomes), len(result.model.backends))
for url in TYPES:
    for name, each in result.snapshot[url].items():
        print(url, name, each.version)
seen = repr((result.model, result.outcomes, [str(one) for one in result.diagnostics]))
print(hashlib.sha256(seen.encode()).hexdigest())
"""


def test_the_hash_seed_changes_nothing():
    text = sets.write([*sets.calm_set(), *DOCUMENTS]).text.encode()
    outputs = set()
    for seed in ("0", "1", "2", "4242"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", SEEDED]
        ran = subprocess.run(command, input=text, capture_output=True, env=environment, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr.decode()
        outputs.add(ran.stdout)
    assert len(outputs) == 1
    assert outputs.pop().count(b"\n") > 20
