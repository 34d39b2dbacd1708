"""Canonical request to a generateContent request (spec OG2-OG11)."""

from typing import Any

from anygate.providers.chat import ChatRequest, Tool
from anygate.providers.chat.abilities import is_flash, is_gemini_3, takes_json_schema
from anygate.providers.chat.request import Uncarried
from anygate.providers.chat.turns import gather_system
from anygate.providers.gemini.schema import convert_schema
from anygate.providers.gemini.write_contents import write_contents
from anygate.providers.losses import Losses
from anygate.providers.openai_chat.read_messages import strip_values
from anygate.providers.refusal import not_expressible

CARRIED = {
    *("model", "messages", "system", "tools", "vendor_tools", "tool_choice", "output_format", "temperature", "top_p"),
    *("top_k", "seed", "frequency_penalty", "presence_penalty", "logprobs", "top_logprobs", "n", "stop", "max_tokens"),
    *("effort", "thinking", "safety_settings", "generation_config", "stream", "include_usage", "summary"),
    *("extra", "echo", "names"),
}
NOT_CARRIED = {
    "parallel": "Gemini cannot forbid parallel calls",
    "logit_bias": "Gemini has no logit bias",
    "verbosity": "Gemini has no verbosity",
    "service_tier": "Gemini has no service tiers in a request",
    "user": "Gemini has no user field",
    "metadata": "Gemini has no request metadata",
    "cache_key": "Gemini finds cached prompts by their content",
}
_UNCARRIED = Uncarried(NOT_CARRIED)
_HOSTED = {
    "google_search": "googleSearch",
    "enterprise_web_search": "enterpriseWebSearch",
    "url_context": "urlContext",
    "code_execution": "codeExecution",
}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def write_request(request: ChatRequest, model: str, losses: Losses) -> dict[str, Any]:
    """The body for `:generateContent` and `:streamGenerateContent`."""
    hosted = _take_hosted(request)
    _UNCARRIED.report(request, losses)
    system = gather_system(request, losses)
    if any(text.cache for text in system):
        losses.add("system.cache_control", "Gemini caches prompts by itself")
    tools = [*hosted, *_write_tools(request, model, losses)]
    return strip_values(
        {
            "contents": write_contents(request, model, losses),
            "systemInstruction": {"parts": [{"text": text.text} for text in system]} if system else None,
            "tools": tools or None,
            "toolConfig": _write_choice(request),
            "generationConfig": _write_generation(request, model, losses) or None,
            "safetySettings": request.safety_settings,
        }
    )


def _take_hosted(request: ChatRequest) -> list[dict[str, Any]]:
    """Google's own tools stand before the functions; whatever is left is not Gemini's."""
    hosted, others = [], []
    for tool in request.vendor_tools:
        if tool.kind == "image_generation":
            raise not_expressible(tool.path, "Gemini has no image generation tool")
        if tool.kind in _HOSTED:
            settings = tool.values.get(tool.kind)
            hosted.append({_HOSTED[tool.kind]: settings if type(settings) is dict else {}})
        else:
            others.append(tool)
    request.vendor_tools = others
    return hosted


def _write_tools(request: ChatRequest, model: str, losses: Losses) -> list[dict[str, Any]]:
    """All functions in one Tool."""
    if not request.tools:
        return []
    declared = []
    for tool in request.tools:
        written: dict[str, Any] = {"name": tool.name, "description": tool.description}
        if tool.schema:
            written.update(_write_schema(tool, model))
        if tool.cache:
            losses.add(f"{tool.path}.cache_control", "Gemini caches prompts by itself")
        if tool.strict:
            losses.add(f"{tool.path}.strict", "Gemini has no strict functions")
        declared.append(strip_values(written))
    return [{"functionDeclarations": declared}]


def _write_schema(tool: Tool, model: str) -> dict[str, Any]:
    if takes_json_schema(model):
        return {"parametersJsonSchema": tool.schema}
    return {"parameters": convert_schema(tool.schema or {}, tool.path)}


def _write_choice(request: ChatRequest) -> dict[str, Any] | None:
    choice = request.tool_choice
    if choice is None or not request.tools:
        return None
    mode = _MODES[choice.mode]
    if choice.names and choice.mode == "auto":
        mode = "VALIDATED"  # the mode that narrows the functions without forcing a call
    names = list(choice.names) or None
    return {"functionCallingConfig": strip_values({"mode": mode, "allowedFunctionNames": names})}


def _write_generation(request: ChatRequest, model: str, losses: Losses) -> dict[str, Any]:
    resolution = (request.generation_config or {}).get("mediaResolution")
    written = {
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "seed": request.seed,
        "responseLogprobs": request.logprobs,
        "logprobs": request.top_logprobs if request.logprobs else None,
        "candidateCount": request.n,
        "maxOutputTokens": request.max_tokens,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "stopSequences": request.stop or None,
        "thinkingConfig": _write_thinking(request, model, losses) or None,
        "mediaResolution": resolution if type(resolution) is str else None,
        **_write_format(request, model),
    }
    return strip_values(written)


def _write_format(request: ChatRequest, model: str) -> dict[str, Any]:
    """Spec OG9."""
    shape = request.output_format
    if shape is None:
        return {}
    if shape.kind == "text":
        return {"responseMimeType": "text/plain"}
    if shape.kind == "json":
        return {"responseMimeType": "application/json"}
    if shape.kind == "choice":
        return {
            "responseMimeType": "text/x.enum",
            "responseSchema": {"type": "STRING", "enum": list(shape.choices)},
        }
    if shape.kind == "pattern":
        return {
            "responseMimeType": "application/json",
            "responseSchema": {"type": "STRING", "pattern": shape.pattern},
        }
    if takes_json_schema(model):
        return {"responseMimeType": "application/json", "responseJsonSchema": shape.schema}
    schema = convert_schema(shape.schema, request.path_of("output_format"))
    return {"responseMimeType": "application/json", "responseSchema": schema}


def _write_thinking(request: ChatRequest, model: str, losses: Losses) -> dict[str, Any]:
    """Spec OG10: an effort is a level from Gemini 3 on; a budget works everywhere, -1 leaves it to the model."""
    written: dict[str, Any] = {}
    thinking = request.thinking
    if request.summary not in (None, "none"):
        written["includeThoughts"] = True
    if thinking is not None:
        if thinking.mode == "disabled":
            written["thinkingBudget"] = 0
        else:
            written["includeThoughts"] = thinking.display != "omitted"
            written["thinkingBudget"] = -1 if thinking.budget is None else thinking.budget
        if request.effort is not None:
            losses.add(request.path_of("effort"), "Gemini takes a thinking budget or a level, not both")
        return written
    if request.effort is not None:
        level = _level_of(request, model)
        if level is None:
            losses.add(request.path_of("effort"), "this model takes no thinking level")
        else:
            written["thinkingLevel"] = level
    return written


def _level_of(request: ChatRequest, model: str) -> str | None:
    effort = request.effort or ""
    levels = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
    if effort not in levels:
        raise not_expressible(request.path_of("effort"), f"unknown effort {effort[:40]!r}")
    if not is_gemini_3(model):
        return None
    if effort in ("none", "minimal"):
        return "MINIMAL" if is_flash(model) else "LOW"
    if effort == "medium":
        return "MEDIUM" if is_flash(model) else "HIGH"
    return "LOW" if effort == "low" else "HIGH"
