"""What the AI plugins make of bodies: members that every request to an instance has."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.ai.instances import Instance, Override
from anygate.dialects.apisix.plugins.ai.vendors import CHAT, CONVERSE, RESPONSES
from anygate.dialects.apisix.plugins.plugin import Surroundings
from anygate.model.inference import BodyEdit


def read_body(instance: Instance, api: str, path: FieldPath, surroundings: Surroundings) -> BodyEdit | None:
    """The members that a body gets, over the client's own, where an instance is spoken to in an API."""
    members: dict[str, Any] = {}
    options = instance.options.model_dump(exclude_unset=True) if instance.options else {}
    if api == CONVERSE:
        for name in options.keys() - {"model"}:
            text = "a request to Bedrock has no such member beside its messages; write it in override.llm_options"
            surroundings.note(NOT_HONOURED, text, (*path, "options", name))
    else:
        members |= options
    override = instance.override or Override()
    if override.llm_options is not None and override.llm_options.max_tokens is not None:
        members[_most_tokens(instance.provider, api)] = override.llm_options.max_tokens
    members |= _read_override(override, api, (*path, "override"), surroundings)
    edits = tuple((name, json.dumps(value, separators=(",", ":"))) for name, value in members.items())
    return BodyEdit(set=edits) if edits else None


def _most_tokens(vendor: str, api: str) -> str:
    """What an API calls the most tokens of an answer."""
    if api == RESPONSES:
        return "max_output_tokens"
    if api == CONVERSE:
        return "inferenceConfig.maxTokens"
    return "max_completion_tokens" if api == CHAT and vendor in ("openai", "azure-openai") else "max_tokens"


def _read_override(override: Override, api: str, path: FieldPath, surroundings: Surroundings) -> dict[str, Any]:
    found = (override.request_body or {}).get(api)
    if not found:
        return {}
    if not override.request_body_force_override:
        text = "members that only stand in for missing ones cannot be had"
        hint = "set request_body_force_override, or write them in options"
        surroundings.note(NOT_HONOURED, text, (*path, "request_body", api), hint)
        return {}
    return dict(_flatten(found))


def _flatten(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, dict) and inner:
            yield from _flatten(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner
