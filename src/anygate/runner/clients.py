"""What `run` tells users of AI models and tools: the address for their clients, and who answers for a model."""

from collections.abc import Iterator, Mapping, Sequence

from anygate.model import Backend, Model, Server
from anygate.model.inference import MODEL_HEADER
from anygate.model.match import HttpMatch
from anygate.model.route import Forward, HttpRoute, HttpRule

ANY_MODEL = "any other"
_CLIENTS = (("OpenAI", "chat", "/v1"), ("Anthropic", "messages", "/anthropic"), ("Cohere", "rerank", "/cohere"))
"""A vendor's clients, the endpoint without which they are of no use, and where they find it."""


def list_clients(server: Server, address: str) -> Iterator[tuple[str, str, str]]:
    """For each sort of clients that a server has endpoints for: its name, the base URL, and the hosts if not any."""
    for route in server.routes:
        hosts = ", ".join(route.hostnames) or server.hostname or "*"
        served = {rule.inference.endpoint for rule in _rules(route) if rule.inference is not None and _goes_on(rule)}
        for name, endpoint, path in _CLIENTS:
            if endpoint in served:
                yield name, address + path, hosts
        for rule in _rules(route):
            if rule.mcp is not None:
                for path in dict.fromkeys(match.path.value for match in rule.matches if match.path is not None):
                    yield "MCP", address + path, hosts


def list_models(model: Model) -> Iterator[tuple[str, str]]:
    """Models as rules match them, each with its backends: the first choice, and after it what stands in for it."""
    backends = {backend.name: backend for backend in model.backends}
    asked: dict[str, dict[str, int]] = {}
    for gateway in model.gateways:
        for server in (server for listener in gateway.listeners for server in listener.servers):
            for rule in (rule for route in server.routes for rule in _rules(route) if rule.inference is not None):
                chosen = _list_backends(rule, backends)
                for name in _list_names(rule.matches):
                    known = asked.setdefault(name, {})
                    # Endpoints differ in the backends that have them; the first rule that names one says its place.
                    for backend, priority in chosen:
                        known.setdefault(backend, priority)
    for name in sorted(asked, key=lambda name: name == ANY_MODEL):
        yield "any" if name == ANY_MODEL and len(asked) == 1 else name, _render_choice(asked[name])


def _rules(route: object) -> Sequence[HttpRule]:
    return route.rules if isinstance(route, HttpRoute) else ()


def _goes_on(rule: HttpRule) -> bool:
    """Whether a backend serves the rule: that of an endpoint which none of them has answers for itself."""
    return isinstance(rule.action, Forward) and any(target.backend for target in rule.action.targets)


def _list_backends(rule: HttpRule, backends: Mapping[str, Backend]) -> list[tuple[str, int]]:
    targets = rule.action.targets if isinstance(rule.action, Forward) else ()
    named = [(backends[one.backend], one.priority) for one in targets if one.backend in backends]
    return [(one.provider.name.rpartition("/")[2] if one.provider else one.service, at) for one, at in named]


def _list_names(matches: Sequence[HttpMatch]) -> list[str]:
    return [
        next((one.value for one in match.headers if one.name == MODEL_HEADER and one.value), ANY_MODEL)
        for match in matches
    ]


def _render_choice(backends: Mapping[str, int]) -> str:
    groups: dict[int, list[str]] = {}
    for name, priority in backends.items():
        groups.setdefault(priority, []).append(name)
    return ", then ".join(" or ".join(groups[priority]) for priority in sorted(groups))
