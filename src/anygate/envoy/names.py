"""The names of everything that Envoy is given: readable, stable, and leading back to what somebody wrote.

The xDS protocol identifies a resource by its type and name, so a name that moves with unrelated edits would drain
listeners and connection pools for nothing.
"""

from urllib.parse import quote

from anygate.model.backend import Backend
from anygate.model.listener import Listener, Server
from anygate.model.route import HttpRoute, HttpRule, StreamRoute

ORIGIN = "anygate"
"""The metadata namespace under which every route, listener and cluster carries where it comes from."""

UNRESOLVED = "anygate/unresolved"
"""A cluster that never exists: what is sent there is refused."""

EGRESS = "anygate_egress"
"""The listener, on a Unix socket, that takes what the adapter has translated."""

SERVICES = "anygate_services"
"""The cluster of the gRPC services that Envoy calls."""

SANDBOX = "anygate_sandbox"
"""The cluster of the sandbox that runs plugins of WebAssembly."""

MCP_GATEWAY = "anygate_mcp"
"""The cluster of the MCP gateway."""

LIMITS = "envoy.filters.http.ratelimit"
"""The dynamic metadata in which the rate-limit service says which limits are used up that do not refuse themselves."""

EXHAUSTED = "out"
"""What it says of a quota that is used up."""

USAGE = "envoy.ai.token_usage"
"""The typed metadata in which Envoy's ai_protocol_manager says what an answer has used (TokenUsage)."""

USED, COUNTS = "anygate.usage", "counts"
"""The dynamic metadata in which our own script says the same of streams in OpenAI's chat format."""

PROMPTS = "anygate.prompts"
"""The dynamic metadata with what the guards of prompts have to look at, each under its number."""

BODY, BODY_READ = "anygate.body", "/read"
"""The dynamic metadata with what conditions ask of bodies, lists of texts by path, and the mark that they were read."""

STARTED = "anygate.started"
"""The dynamic metadata with what a stream said about its usage at its start, which is left if it breaks off."""

MODEL_NAMESPACE, MODEL_KEY, STREAM_KEY = "anygate.ai", "model", "stream"
"""The dynamic metadata in which the model stands that a client asked for; every AI request has it, and no other."""

LIMIT_WORDS = "limit_words"
"""The key, in the namespace of origins, by which rows of AI requests say that limits of theirs answer in own words."""

FACTS = "ai"
"""The key, in the namespace of origins, of what rows and clusters say about themselves for accounting."""

METERED = "anygate.metered"
"""The namespace of route metadata of rows whose requests are counted for an exporter."""

TRACED = "anygate.traced"
"""The namespace of route metadata of rows whose requests have spans."""

PATH_KEY = "path"
"""The key, in the namespace of origins, of the path that such a row asks for."""

REWRITE = "anygate.rewrite"
"""The upstream filter that gives a provider the path and the body that it wants; a route may turn it off."""

STAGE_STATS = "stage"
"""The first part of the statistics of what is inside of Envoy, and takes no connection of a client."""

SOURCE = "anygate.source"
"""The filter state of a connection with the address that it came from."""

PLAIN = "plain"
"""The filter chain that every unencrypted HTTP server of a port shares."""


def listener_name(listener: Listener) -> str:
    """The listener, such as `default/web/80` or `default/dns/53/udp`."""
    return listener.name


def quic_name(listener: Listener) -> str:
    """The HTTP/3 side of a listener: the same port on UDP."""
    return f"{listener.name}/quic"


def chain_name(server: Server, stream: StreamRoute | None = None) -> str:
    """The filter chain of one server, or of one stream route behind it."""
    return f"{server.name}/{stream_name(stream)}" if stream else server.name


def routes_name(listener: Listener, server: Server | None = None) -> str:
    """The route configuration: the listener's own for plain HTTP, one for each HTTPS server."""
    return f"{listener.name}/{server.name}" if server else listener.name


def stage_name(stage: str) -> str:
    """The listener, the routes and the cluster of a second stage: its own name."""
    return stage


def stage_stat(stage: str) -> str:
    """The statistics of a second stage."""
    return f"{STAGE_STATS}.{stage}"


def virtual_host_name(domain: str) -> str:
    """The virtual host: its domain."""
    return domain


def misdirected_name(domain: str) -> str:
    """The virtual host that refuses what belongs to another server."""
    return f"misdirected/{domain}"


def rule_name(route: HttpRoute, rule: HttpRule, index: int) -> str:
    """One rule, such as `HTTPRoute/default/web/rule/0`."""
    return f"{route.origin.object}/rule/{rule.name or index}"


def match_name(rule: str, index: int) -> str:
    """One match of a rule, such as `HTTPRoute/default/web/rule/0/match/1`."""
    return f"{rule}/match/{index}"


def outside_name(match: str) -> str:
    """What answers the requests of a match whose rewritten path would be out of order."""
    return f"{match}/outside"


def preflight_name(match: str) -> str:
    """What takes the CORS preflights of a match."""
    return f"{match}/preflight"


def share_name(match: str, index: int) -> str:
    """One target's share of a match that had to be split."""
    return f"{match}/target/{index}"


def special_name(path: str, role: str) -> str:
    """A row that AI rules bring with them, such as `ai/v1/chat/completions/entrance`."""
    return f"ai{path}/{role}"


def reading_name(path: str, method: str) -> str:
    """A row that has bodies looked at, such as `body/POST/items`."""
    return f"body/{method}{path}"


def stream_name(stream: StreamRoute) -> str:
    """A stream route, such as `TCPRoute/default/db` with its rule where it has one."""
    return f"{stream.origin.object}/rule/{stream.rule}" if stream.rule else stream.origin.object


def cluster_name(backend: Backend) -> str:
    """The cluster and its endpoints: the backend's own name."""
    return backend.name


def adapter_cluster_name(backend: str) -> str:
    """The cluster through which a backend gets requests in another format than its own: by way of the adapter."""
    return f"{backend}/adapter"


def merged_name(stream: StreamRoute) -> str:
    """The cluster that joins the targets of a UDP route."""
    return f"{stream_name(stream)}/targets"


def key_set_file_name(secret: str) -> str:
    """The file with a secret key set, in the folder of credentials; a name cannot leave it."""
    return f"{quote(secret, safe='')}.jwks"


def keys_file_name(exchange: str) -> str:
    """The file with the temporary keys of an `AwsExchange`, in the folder of credentials; a name cannot leave it."""
    return f"{quote(exchange, safe='')}.ini"
