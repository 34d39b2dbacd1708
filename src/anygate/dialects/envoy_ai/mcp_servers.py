"""The servers of an MCP route: what is shown of each, and the key that it wants."""

from collections.abc import Iterator
from typing import NamedTuple

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.derived import LostReference
from anygate.dialects.envoy_ai.context import Context, origin
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP
from anygate.dialects.envoy_ai.kinds.mcproute import MCPRoute, MCPRouteBackendRef
from anygate.dialects.envoy_ai.kinds.mcpselectors import MCPBackendAPIKey, MCPNameFilter
from anygate.dialects.envoy_ai.mcp_findings import CREDENTIAL_NOT_FOUND, PATTERN_INVALID
from anygate.dialects.envoy_ai.route_findings import REF_NOT_PERMITTED
from anygate.manifests.grants import is_granted
from anygate.manifests.names import suggest_word
from anygate.manifests.sensitive import Sensitive
from anygate.model.mcp import McpAccess, McpCredential, McpServer, NameFilter
from anygate.model.tls import Opaque
from anygate.providers.mcp.patterns import PatternError, check_pattern

_AUTHORIZATION = "authorization"


class Servers(NamedTuple):
    """The servers with how each is reached, and by number why one of them cannot be used."""

    servers: tuple[McpServer, ...]
    access: tuple[McpAccess, ...]
    lost: dict[int, str]


def read_servers(context: Context, source: MCPRoute) -> Servers:
    """Read every server of a route; one that cannot be used as asked is lost."""
    servers, access = [], []
    lost: dict[int, str] = {}
    for number, reference in enumerate(source.spec.backend_refs):
        path: FieldPath = ("spec", "backendRefs", number)
        servers.append(_read_server(source, reference, path))
        credential = None
        wanted = reference.security_policy.api_key if reference.security_policy else None
        for selector, text in _find_pattern_problems(reference):
            context.add(PATTERN_INVALID, text, source.manifest, (*path, *selector))
            lost.setdefault(number, text)
        if wanted is not None:
            at = (*path, "securityPolicy", "apiKey")
            found = _read_credential(context, source, reference, wanted, at)
            if isinstance(found, LostReference):
                context.add(found.rule, found.message, source.manifest, (*at, "secretRef"), hint=found.hint)
                lost.setdefault(number, found.message)
            else:
                credential = found
        access.append(McpAccess(origin=origin(source.manifest, path), credential=credential))
    return Servers(tuple(servers), tuple(access), lost)


def _read_server(source: MCPRoute, reference: MCPRouteBackendRef, path: FieldPath) -> McpServer:
    return McpServer(
        origin=origin(source.manifest, path),
        name=reference.name,
        path=reference.path,
        tools=_read_names(reference.tool_selector),
        prompts=_read_names(reference.prompt_selector),
        forward=tuple(
            (one.name.lower(), (one.backend_header or one.name).lower()) for one in reference.forward_headers
        ),
        prefixed=(reference.prefix_mode or source.spec.prefix_mode) == "Always",
    )


def _read_names(found: MCPNameFilter | None) -> NameFilter | None:
    if found is None:
        return None
    return NameFilter(
        include=found.include,
        include_regex=found.include_regex,
        exclude=found.exclude,
        exclude_regex=found.exclude_regex,
    )


def _find_pattern_problems(reference: MCPRouteBackendRef) -> Iterator[tuple[FieldPath, str]]:
    selectors = (("toolSelector", reference.tool_selector), ("promptSelector", reference.prompt_selector))
    for name, selector in selectors:
        lists = (("includeRegex", selector.include_regex), ("excludeRegex", selector.exclude_regex)) if selector else ()
        for key, patterns in lists:
            for number, pattern in enumerate(patterns or ()):
                try:
                    check_pattern(pattern)
                except PatternError as problem:
                    yield (name, key, number), str(problem)


def _read_credential(
    context: Context, source: MCPRoute, reference: MCPRouteBackendRef, wanted: MCPBackendAPIKey, path: FieldPath
) -> McpCredential | LostReference:
    """The key, `Bearer ` in front of it exactly when it goes into Authorization."""
    key = _find_key(context, source, wanted)
    if isinstance(key, LostReference):
        return key
    header = "" if wanted.query_param else (wanted.header or _AUTHORIZATION).lower()
    text = key.reveal().strip()
    if header == _AUTHORIZATION:
        text = b"Bearer " + text
    name = f"mcp-key/{source.namespace}/{source.name}/{reference.name}"
    here = origin(source.manifest, path)
    context.secrets[name] = Opaque(origin=here, name=name, value=Sensitive(text))
    return McpCredential(
        origin=here,
        secret=name,
        header=header,
        query=wanted.query_param or "",
        overwrite=wanted.injection_policy == "Always",
    )


def _find_key(context: Context, source: MCPRoute, wanted: MCPBackendAPIKey) -> Sensitive | LostReference:
    if wanted.inline is not None:
        return wanted.inline if isinstance(wanted.inline, Sensitive) else Sensitive(str(wanted.inline).encode())
    reference = wanted.secret_ref
    assert reference is not None
    target = ObjectRef("", "Secret", reference.namespace or source.namespace, reference.name)
    if (reference.group, reference.kind) != ("", "Secret"):
        return LostReference(CREDENTIAL_NOT_FOUND, f"a key cannot come from a {reference.kind}", "use a Secret")
    if not is_granted(context.index, AI_GATEWAY_GROUP, "MCPRoute", source.namespace, *target):
        text = f"no ReferenceGrant in namespace {target.namespace} lets the MCPRoute refer to {target}"
        return LostReference(REF_NOT_PERMITTED, text, f"add a ReferenceGrant to namespace {target.namespace}")
    secret = context.index.secret(target.namespace, target.name)
    if secret is None:
        hint = suggest_word(target.name, context.index.names("", "Secret", target.namespace))
        return LostReference(CREDENTIAL_NOT_FOUND, f"there is no {target}", hint)
    value = secret.values.get("apiKey")
    if not value:
        hint = f"its keys are {', '.join(sorted(secret.values))}" if secret.values else ""
        return LostReference(CREDENTIAL_NOT_FOUND, f"{target} has no key apiKey", hint)
    return value
