"""AI backends as APISIX's own AI plugins, which choose among them and send each its key."""

from collections.abc import Sequence
from typing import Any

from anygate.dialects.apisix.links.front import Node
from anygate.dialects.apisix.links.link_types import AI_EXTERNAL
from anygate.dialects.apisix.links.plugins import write_credential
from anygate.dialects.apisix.links.rules.shape import INVALID_VALUE
from anygate.dialects.apisix.links.stack import AiLink, Config

_PROVIDERS = {"openai": "openai", "azure_openai": "azure-openai", "anthropic": "anthropic"}


def build_proxy(links: Sequence[tuple[AiLink, Node]]) -> tuple[dict[str, Config | None], dict[str, str]]:
    """The plugin for one or several backends, and the Secret that completes it, each by the plugin's name."""
    if len(links) == 1:
        link, node = links[0]
        secret = link.credential.secret if link.credential is not None else ""
        return {"ai-proxy": _build_instance(link, node)}, {"ai-proxy": secret} if secret else {}
    instances = []
    for link, node in links:
        if link.credential is not None and link.credential.secret:
            place = link.entry.get("ai_provider_api_key") or link.entry
            hint = "use {env: NAME}, or give the provider a host or path of its own"
            message = "a Secret cannot complete one of several instances of a plugin"
            place.refuse(INVALID_VALUE, message, hint=hint)
        instances.append({"name": link.to, "weight": link.weight, **_build_instance(link, node)})
    return {"ai-proxy-multi": {"instances": instances}}, {}


def _build_instance(link: AiLink, node: Node) -> dict[str, Any]:
    is_external = link.type == AI_EXTERNAL
    headers = write_credential(link.credential, link.provider) if link.credential is not None else {}
    instance: dict[str, Any] = {
        "provider": _PROVIDERS.get(link.provider, link.provider) if is_external else "openai-compatible",
        "auth": {"header": headers},
    }
    if link.ai_model:
        instance["options"] = {"model": link.ai_model}
    default = node.port == (443 if is_external else 80)
    scheme = "https" if is_external else "http"
    instance["override"] = {"endpoint": f"{scheme}://{node.host}" + ("" if default else f":{node.port}")}
    return instance
