"""AI requests: the model in the body, the answers to what no rule takes, and what providers are asked."""

from collections.abc import Sequence

import msgspec

from anygate.explain.answer import Decision, HeaderChange, ProviderShare, Step, Upstream
from anygate.explain.bodies import see_body
from anygate.explain.request import Request
from anygate.explain.seen import Headers, SeenRequest
from anygate.model.edit import Respond
from anygate.model.inference import MODEL_HEADER, Inference, Provider
from anygate.model.inference_answers import CODES, PARAMS, error_body, error_format, refusal_text
from anygate.model.inference_rows import MALFORMED, NAMELESS, RESERVED, refused_by
from anygate.model.listener import Server
from anygate.model.route_table import Row
from anygate.providers.formats import Backend, BackendFormat
from anygate.providers.native import native_path
from anygate.providers.paths import MULTIPART

_UNKNOWN_PATH = "?"
_WORDS = {NAMELESS: "the body names no model", MALFORMED: "the body cannot be read"}
_CHARACTERS = 60


def reserved_headers(servers: Sequence[Server]) -> tuple[str, ...]:
    """How headers begin that are removed from a client's request before anything else looks at it."""
    rules = (rule for server in servers for route in server.routes for rule in route.rules)
    return RESERVED if any(rule.inference for rule in rules) else ()


def enter(row: Row, request: Request, seen: SeenRequest) -> tuple[SeenRequest, Step]:
    """Read the body, or its model, of a request that met a row for that; the request is then as the rules see it."""
    if row.role == "reading":
        body = see_body(request.body or b"", next(iter(seen.headers.get("content-type", ())), ""))
        step = Step(kind="body", name=row.rule.name, place=row.rule.origin.place, text="the body is looked at")
        return seen._replace(body=body), step
    assert row.rule.inference is not None
    kinds = seen.headers.get("content-type", ())
    form = row.rule.inference.endpoint in MULTIPART and any("multipart/form-data" in kind.lower() for kind in kinds)
    model = read_form(request.body or b"", kinds[0]) if form else read_model(request.body or b"")
    headers: Headers = {**seen.headers, MODEL_HEADER: (model,)} if model else seen.headers
    printable = model if model.isprintable() else repr(model)
    shown = printable if len(printable) <= _CHARACTERS else f"{printable[:_CHARACTERS]}..."
    text = _WORDS.get(model, "the model in the body")
    step = Step(kind="model", name=shown or NAMELESS, place=row.rule.origin.place, text=text)
    return seen._replace(headers=headers), step


def read_model(body: bytes) -> str:
    """The model that a JSON body names, as Envoy writes it into the header."""
    if not body:
        return NAMELESS
    try:
        found = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return MALFORMED
    model = found.get("model") if isinstance(found, dict) else None
    if isinstance(model, str):
        return model
    if isinstance(model, bool):
        return str(model).lower()
    return str(model) if isinstance(model, int | float) else NAMELESS


def read_form(body: bytes, kind: str) -> str:
    """The model that a form names in a part of its own; two different ones are as bad as no form."""
    boundary = kind.partition("boundary=")[2].partition(";")[0].strip().strip('"').encode()
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary)
    if not boundary or len(parts) < 2 or not parts[-1].startswith(b"--"):
        return MALFORMED
    found: set[str] = set()
    for part in parts[1:-1]:
        head, _, content = part.partition(b"\r\n\r\n")
        lines = [line.strip() for line in head.decode("latin-1").split("\r\n")]
        said = next((line for line in lines if line.lower().startswith("content-disposition:")), "")
        fields = {field.strip().lower().replace('"', "") for field in said.split(";")}
        if "name=model" in fields and not any(field.startswith("filename") for field in fields):
            found.add(content.decode("utf-8", "replace"))
    if len(found) > 1:
        return MALFORMED
    return next(iter(found), "") or NAMELESS


def refuse(row: Row, respond: Respond, seen: SeenRequest) -> Decision:
    """The answer of a row that no rule stands behind, as the client gets it."""
    model = next(iter(seen.headers.get(MODEL_HEADER, ())), "")
    if row.role == "unsupported" or row.rule.inference is None:
        text = refusal_text("unsupported", "", seen.path)
        return Decision(kind="respond", status=respond.status, reason=respond.reason, body=text)
    refused = refused_by(row.role)
    text = refusal_text(refused, model, seen.path)
    wanted = error_format(row.rule.inference.endpoint)
    body = error_body(wanted, respond.status, text, PARAMS.get(refused), CODES.get(refused))
    return Decision(
        kind="respond",
        status=respond.status,
        reason=respond.reason,
        body=msgspec.json.encode(body).decode(),
        content_type="application/json",
    )


def describe_provider(provider: Provider, *, translated: bool) -> ProviderShare:
    """How a provider is asked."""
    return ProviderShare(name=provider.name, format=provider.format, model=provider.model, translated=translated)


def provider_text(share: ProviderShare) -> str:
    """The same for people."""
    how = "translated to" if share.translated else "as it is to"
    return f"{how} {share.format}" + (f", model {share.model}" if share.model else "")


def ask_provider(
    upstream: Upstream, provider: Provider, inference: Inference, seen: SeenRequest, *, translated: bool
) -> Upstream:
    """What a provider receives of a request: its own path, and none of the headers that were for the gateway.

    Where the request is translated the path depends on the conversion.
    """
    model = provider.model or next(iter(seen.headers.get(MODEL_HEADER, ())), "")
    headers = tuple(change for change in upstream.headers if not _is_inner(change))
    if translated or provider.format not in {one.value for one in BackendFormat}:
        return msgspec.structs.replace(upstream, path=_UNKNOWN_PATH, headers=headers)
    backend = Backend(
        format=BackendFormat(provider.format),
        version=provider.version,
        prefix=provider.prefix,
        region=provider.region,
        project=provider.project,
    )
    path = native_path(backend, inference.endpoint)
    if path is None:
        return msgspec.structs.replace(upstream, headers=headers)
    shown = path.before if not path.after else f"{path.before}{model}{path.after}"
    return msgspec.structs.replace(upstream, path=shown, headers=headers)


def _is_inner(change: HeaderChange) -> bool:
    return change.change != "remove" and change.name.startswith(RESERVED)
