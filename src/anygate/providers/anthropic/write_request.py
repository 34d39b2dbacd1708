"""Canonical request to an Anthropic messages request (spec OA2-OA11)."""

from typing import Any

from anygate.providers.anthropic.write_messages import mark_cache, write_messages, write_system
from anygate.providers.chat import ChatRequest, Tool
from anygate.providers.chat.abilities import (
    REMOVED_SAMPLING,
    has_effort,
    has_structured_output,
    output_limit,
    takes_sampling,
)
from anygate.providers.chat.request import Uncarried
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_messages import strip_values
from anygate.providers.refusal import Refused, not_expressible

CARRIED = {
    *(
        "model",
        "messages",
        "system",
        "tools",
        "tool_choice",
        "parallel",
        "output_format",
        "temperature",
        "top_p",
        "top_k",
    ),
    *("stop", "max_tokens", "effort", "thinking", "user", "stream", "n", "service_tier"),
    *("include_usage", "extra", "echo", "names", "vendor_tools", "summary"),
}
NOT_CARRIED = {
    "seed": "Anthropic has no seed",
    "frequency_penalty": "Anthropic has no penalties",
    "presence_penalty": "Anthropic has no penalties",
    "logit_bias": "Anthropic has no logit bias",
    "logprobs": "Anthropic reports no log probabilities",
    "top_logprobs": "Anthropic reports no log probabilities",
    "verbosity": "Anthropic has no verbosity",
    "metadata": "Anthropic's metadata holds only a user id",
    "cache_key": "Anthropic finds cached prompts by their content",
    "safety_settings": "a setting of Gemini",
    "generation_config": "a setting of Gemini",
}
_UNCARRIED = Uncarried(NOT_CARRIED)
_EFFORTS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def write_request(request: ChatRequest, model: str, losses: Losses, hosting: str, version: str = "") -> dict[str, Any]:
    """The body without what the hosting adds; `hosting` is "native", "aws" or "gcp", `version` that of the API."""
    _UNCARRIED.report(request, losses)
    samples = takes_sampling(version)
    if samples:
        _check_temperature(request)
    else:
        _report_sampling(request, version, losses)
    if request.n is not None and request.n != 1:
        raise not_expressible("n", "Anthropic gives one answer per request")
    if request.service_tier is not None:
        losses.add("service_tier", "OpenAI's tiers do not exist at Anthropic")
    max_tokens = request.max_tokens
    written: dict[str, Any] = {"max_tokens": output_limit(model) if max_tokens is None else max_tokens}
    system = write_system(request, losses)
    if system:
        written["system"] = system
    written["messages"] = write_messages(request, losses)
    if samples:
        _write_sampling(request, written)
    if request.stop:
        written["stop_sequences"] = request.stop
    if request.tools:
        written["tools"] = [_write_tool(tool) for tool in request.tools]
        _set(written, "tool_choice", _write_choice(request))
    _set(written, "thinking", _write_thinking(request))
    _set(written, "output_config", _write_output(request, model, hosting, losses))
    if request.user:
        written["metadata"] = {"user_id": request.user}
    return written


def _write_sampling(request: ChatRequest, written: dict[str, Any]) -> None:
    _set(written, "temperature", request.temperature)
    _set(written, "top_p", request.top_p)
    _set(written, "top_k", request.top_k)


def _set(written: dict[str, Any], name: str, value: Any) -> None:
    if value is not None:
        written[name] = value


def _report_sampling(request: ChatRequest, version: str, losses: Losses) -> None:
    for field in REMOVED_SAMPLING:
        if getattr(request, field) is not None:
            losses.add(request.path_of(field), f"version {version} of Anthropic's API does not take it")


def _check_temperature(request: ChatRequest) -> None:
    """Spec OA4: Claude's temperature ends at 1."""
    heat = request.temperature
    if heat is not None and not 0 <= heat <= 1:
        problem = f"temperature {heat:.2f} is not supported by Anthropic (must be between 0.0 and 1.0)"
        raise Refused(422, f"invalid request body: {problem}", param="temperature")


def _write_tool(tool: Tool) -> dict[str, Any]:
    schema = tool.schema if tool.schema else {"type": "object", "properties": {}}
    written = {"name": tool.name, "description": tool.description, "strict": tool.strict, "input_schema": schema}
    return mark_cache(strip_values(written), tool.cache)


def _write_choice(request: ChatRequest) -> dict[str, Any] | None:
    """Spec OA10; `parallel_tool_calls` without a tool choice needs the choice that is the default anyway."""
    choice = request.tool_choice
    if not request.tools:
        return None
    if choice is None:
        return None if request.parallel is None else {"type": "auto", "disable_parallel_tool_use": not request.parallel}
    if choice.mode == "none":
        return {"type": "none"}
    written: dict[str, Any]
    if choice.names and len(choice.names) < len(request.tools):
        if choice.mode == "auto" or len(choice.names) > 1:
            raise not_expressible(
                request.path_of("tool_choice"), "Anthropic can force one tool or any, not one of several"
            )
        written = {"type": "tool", "name": choice.names[0]}
    elif len(choice.names) == 1 and choice.mode == "required":
        written = {"type": "tool", "name": choice.names[0]}
    else:
        written = {"type": "auto" if choice.mode == "auto" else "any"}
    written["disable_parallel_tool_use"] = request.parallel is False
    return written


def _write_thinking(request: ChatRequest) -> dict[str, Any] | None:
    thinking = request.thinking
    if thinking is None:
        return {"type": "disabled"} if request.effort == "none" else None
    return strip_values({"type": thinking.mode, "budget_tokens": thinking.budget, "display": thinking.display})


def _write_output(request: ChatRequest, model: str, hosting: str, losses: Losses) -> dict[str, Any] | None:
    written: dict[str, Any] = {}
    effort = request.effort
    if effort is not None and effort != "none":
        if effort not in _EFFORTS:
            raise not_expressible(request.path_of("effort"), f"unknown effort {effort[:40]!r}")
        if has_effort(model):
            written["effort"] = _EFFORTS[effort]
        else:
            losses.add(request.path_of("effort"), "this model takes no effort")
    shape = request.output_format
    if shape is not None and shape.kind != "text":
        if shape.kind == "schema" and has_structured_output(model, hosting):
            written["format"] = {"type": "json_schema", "schema": shape.schema}
        else:
            problem = "this model takes no output schema" if shape.kind == "schema" else "Anthropic takes only schemas"
            losses.add(request.path_of("output_format"), problem)
    return written or None
