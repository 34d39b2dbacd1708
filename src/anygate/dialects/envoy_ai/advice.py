"""What works here and is likely not what was meant, or would not work in a cluster."""

from collections.abc import Iterable, Sequence

from anygate.dialects.envoy_ai.context import Context
from anygate.dialects.envoy_ai.derive import Plan
from anygate.dialects.envoy_ai.kinds.aigatewayroute import MODEL_HEADER, AIGatewayRouteRule
from anygate.dialects.envoy_ai.route_findings import (
    BUFFER_LIMIT,
    BUFFER_SMALL,
    ENDPOINT_LEFT_OUT,
    MODEL_HEADER_MISSED,
    NO_PARENT,
    NO_TLS,
    STREAM_TIMEOUT,
)
from anygate.dialects.ways import Way, find_way
from anygate.manifests.object import Manifest
from anygate.model.backend import Backend
from anygate.model.inference import ModelEndpoint
from anygate.model.listener import Listener
from anygate.model.route import Forward, HttpRoute

_SMALL = 1024 * 1024
_HTTPS = 443
_PREFIX = "x-ai-eg-"
_USUAL: tuple[ModelEndpoint, ...] = ("chat", "embeddings", "responses", "messages")
"""What people expect of a provider. Of the others, such as completions, nearly all providers have none."""


def check_rules(context: Context, plan: Plan) -> None:
    """Check the rules of a route as they are written."""
    manifest = plan.source.kind.manifest
    if not plan.source.spec.parent_refs:
        text = f"{manifest.ref} names no Gateway, and serves nothing"
        context.add(NO_PARENT, text, manifest, ("spec",), hint="set parentRefs")
    for number, rule in enumerate(plan.source.spec.rules):
        _check_headers(context, manifest, rule, number)
        _check_endpoints(context, manifest, plan, number)


def _check_headers(context: Context, manifest: Manifest, rule: AIGatewayRouteRule, number: int) -> None:
    for place, match in enumerate(rule.matches):
        if any(header.name.lower() == MODEL_HEADER for header in match.headers):
            continue
        for entry, header in enumerate(match.headers):
            if "model" in header.name.lower() or header.name.lower().startswith(_PREFIX):
                path = ("spec", "rules", number, "matches", place, "headers", entry, "name")
                text = f"{header.name} is not the header that a request's model stands in"
                context.add(MODEL_HEADER_MISSED, text, manifest, path, hint=f'did you mean "{MODEL_HEADER}"?')


def _check_endpoints(context: Context, manifest: Manifest, plan: Plan, number: int) -> None:
    destinations = plan.rules[number]
    providers = [one.provider for one in destinations if one.provider is not None]
    for place, one in enumerate(destinations):
        if one.provider is None:
            continue
        missing = [
            endpoint
            for endpoint in _USUAL
            if find_way(endpoint, one.provider) is Way.NOT
            and any(find_way(endpoint, other) is not Way.NOT for other in providers)
        ]
        if missing:
            path = ("spec", "rules", number, "backendRefs", place)
            text = f"{one.provider.name} ({one.provider.format}) gets no requests for {', '.join(missing)}"
            context.add(ENDPOINT_LEFT_OUT, text, manifest, path)


def check_timeouts(context: Context, plan: Plan, route: HttpRoute) -> None:
    """Check that something says how long requests may take: the route, or a policy that holds for it."""
    for number, rule in enumerate(route.rules):
        said = rule.timeouts
        if isinstance(rule.action, Forward) and said.request is None and said.attempt is None:
            text = "nothing says how long a request may take: a cluster ends it after 60s, streams too"
            path = ("spec", "rules", number)
            context.add(STREAM_TIMEOUT, text, plan.source.kind.manifest, path, hint="set timeouts.request")
            return


def check_tls(context: Context, backends: Iterable[Backend]) -> None:
    """Check that requests for providers do not go to the port of HTTPS as plain HTTP."""
    told: set[str] = set()
    for backend in backends:
        ports = {endpoint.port for group in backend.groups for endpoint in group.endpoints}
        if backend.provider is None or backend.tls is not None or ports != {_HTTPS} or backend.provider.name in told:
            continue
        told.add(backend.provider.name)
        namespace, _, name = backend.provider.name.partition("/")
        written = context.backends.get((namespace, name))
        if written is not None:
            text = f"requests for {written.ref} go to port {_HTTPS} without TLS"
            hint = f"set tls in Backend/{backend.namespace}/{backend.service}, or attach a BackendTLSPolicy to it"
            context.add(NO_TLS, text, written.kind.manifest, ("spec", "backendRef"), hint=hint)


def check_buffer(context: Context, gateway: Manifest, listeners: Sequence[Listener]) -> None:
    """Check how much of a request the listeners of a Gateway hold; all of them serve AI routes."""
    limits = [one.connection.buffer_limit for one in listeners]
    path = ("metadata", "name")
    if any(limit is None for limit in limits):
        text = f"nothing limits the buffers of {gateway.ref}: 50Mi here, 32Ki in a cluster"
        hint = "attach a ClientTrafficPolicy with connection.bufferLimit: 50Mi"
        context.add(BUFFER_LIMIT, text, gateway, path, hint=hint)
    small = [limit for limit in limits if limit is not None and limit < _SMALL]
    if small:
        text = f"{gateway.ref} holds {small[0]} bytes of a request; longer ones are answered with 413"
        context.add(BUFFER_SMALL, text, gateway, path, hint="set connection.bufferLimit to 50Mi")
