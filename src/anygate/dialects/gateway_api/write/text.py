"""Written objects as files of YAML, in the order in which they are to be applied, and the report about them."""

from collections.abc import Iterable, Iterator, Sequence

import yaml

from anygate.dialects.gateway_api.write.objects import Document
from anygate.dialects.gateway_api.write.write import Written
from anygate.model.origin import Origin

IN_CLUSTER = "in-cluster"
"""The folder of what the cluster is expected to have: `kubectl apply -f` of the folder above leaves it alone."""

_PLURALS = {"BackendTLSPolicy": "backend-tls-policies", "Gateway": "gateways", "HTTPRoute": "http-routes"}


def render_files(written: Written) -> dict[str, str]:
    """File names, numbered in the order in which they are to be applied, with their texts."""
    found: dict[str, list[Document]] = {}
    kinds = list(dict.fromkeys(one.kind for one in written.documents if not one.exists))
    for one in written.documents:
        if one.exists:
            name = f"{IN_CLUSTER}/{_plural(one.kind)}.yaml"
        else:
            name = f"{kinds.index(one.kind) + 1:02}-{_plural(one.kind)}.yaml"
        found.setdefault(name, []).append(one)
    return {name: _render(documents) for name, documents in found.items()}


def render_stream(written: Written) -> str:
    """All objects as one stream of YAML."""
    return _render(written.documents)


def render_report(written: Written, losses: Iterable[str]) -> str:
    """What became of what, what was lost, what is left to do, and the order; `losses` are lines for people."""
    lines = ["# Conversion to the Gateway API", "", "## What became of what", ""]
    for source, documents in sorted(_by_source(written).items()):
        names = [str(one.ref) for one in documents]
        lines += [f"- {source}", *(f"  - {name}" for name in names)]
    lines += ["", "## What was lost", ""]
    lines += [f"- {line}" for line in losses] or ["Nothing."]
    lines += ["", "## What is left to do", ""]
    lines += list(_todo(written))
    lines += ["", "## The order", "", *_order(written)]
    return "\n".join(lines) + "\n"


def _todo(written: Written) -> Iterator[str]:
    classes = sorted({one.body["spec"]["gatewayClassName"] for one in written.documents if one.kind == "Gateway"})
    yield from (f"- GatewayClass {name}: has to be there, served by Envoy Gateway" for name in classes)
    if any(one.kind == "Backend" for one in written.documents):
        yield "- Envoy Gateway: enableBackend has to be set, for Backends are switched off by default"
    named = {errand.object: errand.text for errand in written.errands}
    for document in written.documents:
        if document.exists:
            name = f"{document.kind}/{document.namespace}/{document.name}"
            yield f"- {name}: has to be there; {named.pop(name, 'it stays as it is')}"
    yield from (f"- {thing}: {text}" for thing, text in named.items())


def _order(written: Written) -> Iterator[str]:
    for name in render_files(written):
        if not name.startswith(IN_CLUSTER):
            yield f"    kubectl apply -f {name}"


def _by_source(written: Written) -> dict[str, list[Document]]:
    found: dict[str, list[Document]] = {}
    for document in (one for one in written.documents if not one.exists):
        for origin in _first_of_each(document.sources):
            found.setdefault(f"{origin.object} ({origin.place})", []).append(document)
    return found


def _first_of_each(origins: Sequence[Origin]) -> Iterator[Origin]:
    """One origin for each object, the topmost."""
    best: dict[str, Origin] = {}
    for origin in origins:
        known = best.get(origin.object)
        if known is None or (origin.line, origin.column) < (known.line, known.column):
            best[origin.object] = origin
    yield from best.values()


def _render(documents: Sequence[Document]) -> str:
    return "---\n".join(_render_one(one) for one in documents)


def _render_one(document: Document) -> str:
    made_of = "".join(f"# from {one.object} ({one.place})\n" for one in _first_of_each(document.sources))
    note = "# The cluster has it already; it is here so that the routes can be tried.\n" if document.exists else ""
    return made_of + note + yaml.safe_dump(document.value, sort_keys=False, allow_unicode=True, width=120)


def _plural(kind: str) -> str:
    if kind in _PLURALS:
        return _PLURALS[kind]
    words = "".join(f"-{char.lower()}" if char.isupper() and at else char.lower() for at, char in enumerate(kind))
    for name in ("http", "grpc", "tcp", "udp", "tls", "ai"):
        words = words.replace("-".join(name), name)
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}s"
