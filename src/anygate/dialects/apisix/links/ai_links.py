"""The links of AI gateways and their attributes."""

import re
import warnings
from typing import Any

from anygate.dialects.apisix.links.attributes import Setting, check_path
from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.limits import read_limit_fields
from anygate.dialects.apisix.links.link_types import AI_EXTERNAL, AI_MODEL
from anygate.dialects.apisix.links.linking import Targets, find_alias, find_component, find_gateway, find_model
from anygate.dialects.apisix.links.names import is_host, read_name, read_subdomain
from anygate.dialects.apisix.links.rules.attributes import REGEX, SUBDOMAIN, WEIGHT
from anygate.dialects.apisix.links.rules.gateways import AI_ENDPOINT, AI_PROVIDER
from anygate.dialects.apisix.links.rules.shape import MISSING_FIELD, WRONG_TYPE
from anygate.dialects.apisix.links.secrets import read_credential
from anygate.dialects.apisix.links.stack import AiLink, Component, Config
from anygate.manifests.names import suggest_word

_FIELDS = (
    "subdomain",
    "path",
    "weight",
    "deny_patterns",
    "allow_patterns",
    "prompt_decorator",
    "ai_rate_limit",
    "ai_model",
)
_EXTERNAL_FIELDS = ("ai_endpoint", "ai_provider", "ai_provider_api_key")
PROVIDERS = ("openai", "azure_openai", "anthropic")
DEFAULT_WEIGHT = 50
_LIMIT_FIELDS = ("limit", "time_window", "limit_strategy", "rejected_code", "rejected_msg")
_STRATEGIES = ("total_tokens", "prompt_tokens", "completion_tokens")
_ROLES = ("system", "user", "assistant")
# Python's words for what is wrong in every dialect of regular expressions; APISIX reads more than Python does.
_BROKEN = ("unterminated", "unbalanced", "nothing to repeat", "bad character range", "end of pattern", "min repeat")


def list_ai_fields(link_type: str) -> tuple[str, ...]:
    """The attributes of a type of link."""
    return ("from", *_FIELDS, *(_EXTERNAL_FIELDS if link_type == AI_EXTERNAL else ()))


def read_ai_link(link: Entry, link_type: str, targets: Targets, setting: Setting) -> AiLink | None:
    """Read a link of an AI gateway."""
    gateway = find_gateway(link, targets.ai_gateways, "AI gateway", targets)
    target = _find_target(link, link_type, targets)
    subdomain = link.get("subdomain")
    path = link.get("path")
    if path is not None and path.text() is not None:
        check_path(path, path.value)
    host = read_subdomain(subdomain) if subdomain is not None else ""
    if subdomain is None and gateway is not None and gateway.attributes.entry.get("subdomain") is None:
        hint = "add it here or to the AI gateway"
        link.refuse(SUBDOMAIN, "neither the link nor its AI gateway has a subdomain", hint=hint)
    endpoint, port = _read_endpoint(link) if link_type == AI_EXTERNAL else ("", 0)
    key = link.get("ai_provider_api_key")
    model = link.get("ai_model")
    fields: dict[str, Any] = {
        "weight": read_weight(link),
        "guard": _read_guard(link),
        "decorator": _read_decorator(link),
        "limit": _read_limit(link),
        "provider": _read_provider(link),
        "credential": read_credential(key, setting.environment) if key is not None else None,
        "ai_model": (model.text() if model is not None else "") or "",
    }
    if gateway is None or target is None:
        return None
    to, component, of_component = target
    return AiLink(
        type=link_type,
        gateway=gateway,
        to=to,
        component=component,
        model=of_component,
        subdomain=host or gateway.attributes.subdomain,
        path=path.value if path is not None and isinstance(path.value, str) else "/v1/*",
        endpoint=endpoint,
        port=port,
        entry=link,
        **fields,
    )


def read_weight(link: Entry) -> int:
    """The share of the requests that a link gets."""
    found = link.get("weight")
    weight = found.number(0, 1000, WEIGHT) if found is not None else None
    return DEFAULT_WEIGHT if weight is None else weight


def _find_target(link: Entry, link_type: str, targets: Targets) -> tuple[str, Component | None, str] | None:
    """What the link goes to: a label, the component unless it is external, and the model."""
    if link_type == AI_EXTERNAL:
        place = find_alias(link, "to", "target")
        if place is None:
            link.refuse(MISSING_FIELD, 'missing field "to"', hint="any label for the provider, such as openai")
            return None
        label = read_name(place)
        return (label, None, "") if label is not None else None
    if link_type == AI_MODEL:
        found = find_model(link, targets)
        return (found[1], found[0], found[1]) if found is not None else None
    component = find_component(link, "vllm", targets)
    return (component.name, component, "") if component is not None else None


def _read_endpoint(link: Entry) -> tuple[str, int]:
    found = link.get("ai_endpoint")
    if found is None:
        link.refuse(AI_ENDPOINT, 'missing field "ai_endpoint"', hint="the host of the provider, such as api.openai.com")
        return "", 443
    text = found.text()
    if text is None:
        return "", 443
    host, colon, port = text.strip().rpartition(":") if ":" in text else (text.strip(), "", "")
    number = int(port) if port.isascii() and port.isdecimal() and len(port) < 6 else 0
    if not is_host(host) or host.startswith("*") or (colon and not 1 <= number <= 65535):
        bare = re.sub(r"^[a-z]+://", "", text.strip()).split("/")[0]
        hint = "write HOST or HOST:PORT, without scheme and path" + (f", such as {bare}" if is_host(bare) else "")
        found.refuse(AI_ENDPOINT, f'"{text[:80]}" is not a host', hint=hint)
    return host, number or 443


def _read_provider(link: Entry) -> str:
    found = link.get("ai_provider")
    if found is None:
        return "openai"
    name = found.text()
    if name is not None and name not in PROVIDERS:
        hint = suggest_word(name, PROVIDERS) or f"choose from {', '.join(PROVIDERS)}"
        found.refuse(AI_PROVIDER, f'"{name[:60]}" is not a provider', hint=hint)
    return name or "openai"


def _read_guard(link: Entry) -> Config | None:
    config: Config = {}
    for key in ("deny_patterns", "allow_patterns"):
        found = link.get(key)
        if found is None:
            continue
        lines = found.lines(comments=False)
        for line in lines:
            problem = _find_regex_problem(line.text)
            if problem:
                hint = "one regular expression per line"
                found.refuse(REGEX, f'"{line.text[:80]}" is no pattern: {problem}', span=line.span, hint=hint)
        if lines:
            config[key] = [line.text for line in lines]
    return config or None


def _find_regex_problem(pattern: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(pattern)
        except re.error as error:
            return error.msg if any(word in error.msg for word in _BROKEN) else ""
        except (OverflowError, RecursionError):
            return "it is too large"
    return ""


def _read_decorator(link: Entry) -> Config | None:
    found = link.get("prompt_decorator")
    if found is None:
        return None
    value = found.nested() if isinstance(found.value, str) else found
    if value is not None and isinstance(value.value, dict):
        value.check_keys(("prepend", "append"))
        parts = {key: part for key in ("prepend", "append") if (part := value.get(key)) is not None}
    elif value is not None and isinstance(value.value, list):
        parts = {"prepend": value}
    else:
        hint = "write a list of {role: ROLE, content: TEXT}"
        found.refuse(WRONG_TYPE, "expected a list of messages, or a mapping with prepend and append", hint=hint)
        return None
    return {key: _read_messages(part) for key, part in parts.items()} or None


def _read_messages(entry: Entry) -> list[dict[str, str]]:
    messages = []
    items = entry.sequence()
    for item in items.items() if items is not None else ():
        fields = item.mapping()
        if fields is None:
            continue
        fields.check_keys(("role", "content"))
        role, content = fields.require("role"), fields.require("content")
        if role is not None and role.choice(_ROLES) and content is not None and content.text() is not None:
            messages.append({"role": role.value, "content": content.value})
    return messages


def _read_limit(link: Entry) -> Config | None:
    found = link.get("ai_rate_limit")
    fields = found.mapping() if found is not None else None
    if fields is None:
        return None
    given = read_limit_fields(fields, _LIMIT_FIELDS)
    for key in ("limit", "time_window"):
        fields.require(key)
    strategy = fields.get("limit_strategy")
    if strategy is not None:
        strategy.choice(_STRATEGIES)
    defaults = {"limit_strategy": "total_tokens", "rejected_code": 429}
    config = {key: given.get(key) for key in ("limit", "time_window")} | defaults
    return config | {key: value for key, value in given.items() if key not in ("limit", "time_window")}
