"""The types of links: which component each goes to, in which file it is written, and which Service it means."""

from collections.abc import Mapping
from dataclasses import dataclass

GATEWAY_LINK = "gateway-external_source_code"
AI_VLLM, AI_MODEL, AI_EXTERNAL = "ai_gateway-vllm", "ai_gateway-model", "ai_gateway-external_ai"
MULTI_PORT = "image_base"
"""The type of component whose ports are listed in the stack."""


@dataclass(frozen=True, slots=True)
class Target:
    """A Service behind a link. `{n}` is the component's name; `host` is made of the link's subdomain.

    `suffix` tells the objects of further targets from those of the first one.
    """

    service: str
    port: int
    suffix: str = ""
    host: str = "{}"


def _one(service: str, port: int = 80) -> tuple[Target, ...]:
    return (Target(service, port),)


TARGETS: Mapping[str, tuple[Target, ...]] = {
    "fastapi": _one("{n}"),
    "external_source_code": _one("{n}"),
    # The port is the first one that the stack lists.
    MULTI_PORT: _one("{n}", 0),
    "python": _one("{n}"),
    "bridge": _one("{kafka}-bridge-bridge-service", 8080),
    "grafana": _one("{n}"),
    "prometheus": (
        Target("prometheus-operated", 9090),
        Target("alertmanager-operated", 9093, "alertmanager", "alertmanager-{}"),
    ),
    "loki": _one("{n}-gateway"),
    "minio": (Target("{n}", 9001), Target("{n}", 9000, "api", "api-{}")),
    "keycloak": _one("{n}"),
    "keycloak_operator": _one("{n}-service", 8080),
    "rabbitmq": _one("{n}", 15672),
    "langflow": _one("{n}"),
    "vllm": _one("{n}-router-service"),
    "open-webui": (Target("{n}", 80), Target("{n}-pipelines", 9099, "pipelines", "")),
    "flowise": _one("{n}"),
    "backstage": _one("{n}"),
    "clickhouse": _one("clickhouse-{n}", 8123),
    "opensearch": _one("{n}-dashboards", 5601),
    "dex": _one("{n}", 5556),
    "postgresql": _one("{n}"),
    "kubecost": _one("{n}-cost-analyzer", 9090),
    "stack_agent": _one("{n}"),
}
"""The Services of each type of component, in the order of the seed."""

KEYCLOAK_X = _one("keycloak-keycloakx-http")
"""What a keycloak component means whose tag names that distribution."""

DIRECT_LINKS = tuple(f"apisix-{name}" for name in TARGETS)
AI_LINKS = (AI_VLLM, AI_MODEL, AI_EXTERNAL)
LINK_TYPES = (*DIRECT_LINKS, GATEWAY_LINK, *AI_LINKS)

API_KEY_TYPES = frozenset(("vllm", "prometheus", "loki"))
"""The components whose direct links take an API key."""

STACKTIC_NAMES = {"external_source_code": "backend", "prometheus": "prometheus_ingress", "open-webui": "open_webui"}
"""The files that have other names in the layout `stacktic`."""

GATEWAY_FILE, AI_FILE, AI_EXTERNAL_FILE = "gateway.yaml", "ai_gateway.yaml", "ai_gateway_external.yaml"

KNOWN_FILES = tuple(
    sorted(
        {f"{name}.yaml" for name in (*TARGETS, *STACKTIC_NAMES.values())} | {GATEWAY_FILE, AI_FILE, AI_EXTERNAL_FILE}
    )
)
"""Every file of routes that a stack can have, in both layouts."""


def name_file(component_type: str, layout: str) -> str:
    """The file of a type's direct links."""
    name = STACKTIC_NAMES.get(component_type, component_type) if layout == "stacktic" else component_type
    return f"{name}.yaml"
