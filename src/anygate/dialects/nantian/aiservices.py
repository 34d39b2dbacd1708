"""AIServices: who answers there, how often it is asked, what stands in for it, what it costs and who is told."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple

import msgspec

from anygate.diagnostics import FieldPath, Rule
from anygate.dialects.endpoints import find_endpoints
from anygate.dialects.nantian.ai_findings import AI_NOT_HONOURED, AI_PLAIN_ENDPOINT, AI_PROVIDER, AI_SECRET
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.exports import read_langfuse, read_otel
from anygate.dialects.nantian.guards import GuardTrouble, read_guard
from anygate.dialects.nantian.kinds.aiservice import AIService, AIServiceSpec, fold
from anygate.dialects.nantian.prices import read_prices
from anygate.dialects.nantian.secrets import SecretTrouble, read_access
from anygate.dialects.nantian.vendors import ANTHROPIC, FORMATS, OPENAI, VENDORS, Vendor, find_vendor, read_api
from anygate.dialects.provider_backends import specialise
from anygate.dialects.url_backend import build_url_backend
from anygate.manifests.core import Service
from anygate.manifests.fields import parse_go_duration
from anygate.manifests.names import suggest_word
from anygate.model.backend import Backend
from anygate.model.inference import BodyEdit, Provider
from anygate.model.prompts import PromptGuard

ANNOTATION = "gateway.nantian.dev/ai-service"
_TIMEOUT = timedelta(seconds=60)
_BACKOFF = timedelta(milliseconds=250)
_LONGEST_BACKOFF = 10
_HTTPS = 443
_UNKNOWN = Vendor("")
_BLOCKS = (*("semantic_cache", "cache", "content_safety", "safety", "pii_masking", "pii", "tenants", "multi_tenant"),)


class Standin(NamedTuple):
    """Another model of the same provider, asked `tries` times when the one before it has failed."""

    backend: Backend
    tries: int
    statuses: tuple[int, ...]


class Usable(NamedTuple):
    """A service that requests may go to. `prices` are what a million tokens cost by model, input and output."""

    item: AIService
    backend: Backend
    timeout: timedelta
    tries: int
    backoff: timedelta
    longest_backoff: timedelta
    standins: tuple[Standin, ...]
    base: str
    prices: Mapping[str, tuple[float, float]]
    guard: PromptGuard | None = None
    variants: tuple[tuple[Backend, int], ...] = ()


class Closed(NamedTuple):
    """Why requests must not go to a service."""

    reason: str


class _Trouble(Exception):  # noqa: N818 - a mistake in a manifest is no defect
    def __init__(self, rule: Rule, message: str, path: FieldPath, hint: str = "", reason: str = "Invalid") -> None:
        super().__init__(message)
        self.rule, self.message, self.path, self.hint, self.reason = rule, message, path, hint, reason


def read_services(context: Context) -> dict[tuple[str, str], Usable | Closed]:
    """Every AIService by namespace and name. What is wrong is reported and noted in its conditions."""
    found: dict[tuple[str, str], Usable | Closed] = {}
    for item in context.index.every(AIService):
        try:
            found[item.namespace, item.name] = _read(context, item)
        except (_Trouble, GuardTrouble, SecretTrouble) as trouble:
            rule = AI_SECRET if isinstance(trouble, SecretTrouble) else trouble.rule
            context.add(rule, trouble.message, item, trouble.path, hint=trouble.hint)
            kind = "Accepted" if trouble.reason == "Invalid" else "ResolvedRefs"
            context.conditions.note(item.ref, kind, False, trouble.reason, trouble.message)
            context.conditions.note(item.ref, "Programmed", False, trouble.reason, trouble.message)
            found[item.namespace, item.name] = Closed(trouble.message)
    for manifest in context.index.broken("AIService"):
        found.setdefault((manifest.namespace, manifest.name), Closed("it is not valid"))
    return found


def _read(context: Context, item: AIService) -> Usable:
    spec = item.spec
    vendor = find_vendor(spec.provider) or _UNKNOWN
    served = None if spec.endpoint else find_own_service(context, item)
    endpoint = spec.endpoint or ("http://service" if served else vendor.endpoint)
    if not endpoint:
        hint = suggest_word(spec.provider, VENDORS) or "give an endpoint"
        if vendor is not _UNKNOWN:
            hint = "give an endpoint"
        raise _Trouble(AI_PROVIDER, f"nothing says where {spec.provider} answers", ("spec", "provider"), hint)
    access = read_access(context, item, vendor)
    format_ = _read_format(item, vendor)
    api = read_api(format_, endpoint)
    base = _read_base(context, item, endpoint, served)
    provider = Provider(
        origin=origin(item, ("spec",)),
        name=f"{item.namespace}/{item.name}",
        format=api.format,
        version=api.version,
        prefix=api.prefix,
        region=access.region,
        credential=access.credential,
        passes_credentials=access.passes,
        otel=read_otel(context, item),
        langfuse=read_langfuse(context, item),
    )
    name = f"AIService/{item.namespace}/{item.name}"
    backend = context.cache.keep(specialise(base, name, _with_model(provider, spec.model)))
    backoff, longest = _read_backoff(context, item)
    usable = Usable(
        item,
        backend,
        spec.timeout if spec.timeout is not None else _TIMEOUT,
        1 + spec.retry.max_retries,
        backoff,
        longest,
        tuple(_read_standins(context, item, backend, provider)),
        api.base,
        read_prices(context, item),
        read_guard(context, item),
        tuple(_read_variants(context, item, backend, provider)),
    )
    _note(context, item)
    return usable


def _with_model(provider: Provider, model: str) -> Provider:
    """A provider that is asked for a model whatever the client asks for, also where it names none.

    Where the model stands in the path, the body has no place for it.
    """
    body = None
    if provider.format in (OPENAI, ANTHROPIC):
        body = BodyEdit(set=(("model", msgspec.json.encode(model).decode()),))
    return msgspec.structs.replace(provider, model=model, body=body)


def _read_format(item: AIService, vendor: Vendor) -> str:
    """The format of the upstream; one that only the provider's name says where there is no other."""
    written = item.spec.format
    if written is None:
        return vendor.format
    known = FORMATS.get(fold(written))
    if known is None:
        hint = f"formats are {', '.join(sorted(FORMATS))}"
        raise _Trouble(AI_PROVIDER, f"the format {written} is not known", ("spec", "format"), hint)
    # Azure's API is OpenAI's at other paths: who writes the format of the one means the other.
    return vendor.format if known == "OpenAI" and vendor.format == "AzureOpenAI" else known


def find_own_service(context: Context, item: AIService) -> Service | None:
    """The Service that is a service's endpoint: by its annotation, or by having the same name."""
    for found in context.index.every(Service):
        if found.namespace == item.namespace and found.manifest.annotations.get(ANNOTATION) == item.name:
            return found
    return context.index.service(item.namespace, item.name)


def _read_base(context: Context, item: AIService, endpoint: str, served: Service | None) -> Backend:
    here = origin(item, ("spec", "endpoint") if item.spec.endpoint else ("spec", "provider"))
    if served is not None and served.spec.ports:
        port = served.spec.ports[0]
        if served.spec.type == "ExternalName" and port.port == _HTTPS:
            found = build_url_backend(f"https://{served.spec.external_name}", here)
            if found is not None:
                return msgspec.structs.replace(found, service=served.name, namespace=item.namespace, protocol="auto")
        base = Backend(origin=here, name="", service=served.name, port=port.port)
        return msgspec.structs.replace(
            base, namespace=item.namespace, groups=find_endpoints(context.index, served, port) or ()
        )
    found = build_url_backend(endpoint, here)
    assert found is not None, "a validator has seen to it"
    if found.tls is None and item.spec.endpoint and not _is_here(found.service):
        context.add(AI_PLAIN_ENDPOINT, f"{found.service} is reached without TLS", item, ("spec", "endpoint"))
    protocol = "auto" if found.tls is not None else "http1"
    return msgspec.structs.replace(found, service=item.name, namespace=item.namespace, protocol=protocol)


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _read_backoff(context: Context, item: AIService) -> tuple[timedelta, timedelta]:
    """The pause before the first further try, and the longest one. Envoy has one curve, the exponential one."""
    written = item.spec.retry.backoff or "exponential"
    if written == "fixed":
        return _BACKOFF, _BACKOFF
    if written == "linear":
        text = "pauses grow exponentially, up to what the last one would be"
        context.add(AI_NOT_HONOURED, text, item, ("spec", "retry", "backoff"))
        return _BACKOFF, _BACKOFF * max(1, item.spec.retry.max_retries)
    first = _BACKOFF if written == "exponential" else max(parse_go_duration(written), timedelta(milliseconds=1))
    return first, first * _LONGEST_BACKOFF


def _read_standins(context: Context, item: AIService, backend: Backend, provider: Provider) -> Iterator[Standin]:
    """The models that stand in for the service's own: those of the chains that are for it."""
    fallback = item.spec.fallback
    if fallback is None or not fallback.enabled:
        return
    for number, chain in enumerate(fallback.chains):
        if chain.primary not in (None, item.spec.model):
            text = f"the service's model is {item.spec.model}, so that the chain is never used"
            context.add(AI_NOT_HONOURED, text, item, ("spec", "fallback", "chains", number, "primary"))
            continue
        for place, one in enumerate(chain.fallbacks):
            if one.on_timeout is False:
                path = ("spec", "fallback", "chains", number, "fallbacks", place, "on_timeout")
                context.add(AI_NOT_HONOURED, "it is asked after a timeout too", item, path)
            yield Standin(_of(context, backend, provider, one.model), 1 + one.max_retries, tuple(one.on_status))


def _of(context: Context, backend: Backend, provider: Provider, model: str) -> Backend:
    """A service's backend for another model."""
    other = _with_model(provider, model)
    return context.cache.keep(msgspec.structs.replace(backend, name=f"{backend.name}/={model}", provider=other))


def _read_variants(
    context: Context, item: AIService, backend: Backend, provider: Provider
) -> Iterator[tuple[Backend, int]]:
    """The models that share the requests of a service out among them, and their weights."""
    spec = item.spec
    tested, routed = spec.ab_testing, spec.model_routing or spec.routing
    path: FieldPath = ("spec", "modelRouting" if spec.model_routing is not None else "routing")
    listed, name = (routed.routes if routed is not None and routed.enabled else ()), "routes"
    for field in ("strategy", "fallback") if routed is not None and routed.enabled else ():
        if getattr(routed, field) is not None:
            hint = "say it in the service's own fallback" if field == "fallback" else ""
            context.add(AI_NOT_HONOURED, f"{field} is not done here", item, (*path, field), hint=hint)
    if tested is not None and tested.enabled and tested.variants:
        if listed:
            context.add(AI_NOT_HONOURED, "the variants of abTesting take its place", item, path)
        listed, path, name = tested.variants, ("spec", "abTesting"), "variants"
    for number, one in enumerate(listed):
        for field, value in (("config", one.config), ("maxTokens", one.max_tokens)):
            if value is not None:
                text = f"{field} has no effect: only the model is another one"
                context.add(AI_NOT_HONOURED, text, item, (*path, name, number, field))
        if one.weight:
            own = one.model == spec.model
            yield backend if own else _of(context, backend, provider, one.model), one.weight


def _note(context: Context, item: AIService) -> None:
    """Note the conditions of a service that can be used, and name what of it is not honoured."""
    conditions, ref = context.conditions, item.ref
    conditions.note(ref, "ResolvedRefs", True, "ResolvedRefs")
    left = []
    for name in _BLOCKS:
        written = getattr(item.spec, name)
        is_off = isinstance(written, dict) and written.get("enabled") is False
        if written and not is_off:
            field = AIServiceSpec.model_fields[name].alias or name
            context.add(AI_NOT_HONOURED, f"{field} is not done here", item, ("spec", field))
            left.append(field)
    if left:
        text = f"not done here: {', '.join(left)}"
        conditions.note(ref, "Programmed", False, "PartiallyProgrammed", text)
    conditions.note(ref, "Programmed", True, "Programmed")
