"""Reads the prompt out of a Converse request."""

from dataclasses import replace
from typing import Any

import msgspec

from anygate.stubs.providers.bedrock.errors import reject, reject_model_error
from anygate.stubs.providers.bedrock.fields import (
    Block,
    ConverseRequest,
    CountRequest,
    Source,
    ToolConfig,
    ToolResult,
)
from anygate.stubs.providers.bedrock.turns import check_turns
from anygate.stubs.providers.prompt import Prompt

_CLAUDE_FIELDS = frozenset(
    ("thinking", "top_k", "anthropic_beta", "reasoning_config", "output_config", "context_management", "tool_choice")
)
_LARGEST_IMAGE = 3_932_160


def read_prompt(request: CountRequest, model: str) -> Prompt:
    """Return what `request` asks, or raise what is wrong with it."""
    prompt = Prompt(model)
    if request.tool_config is not None:
        _read_tools(request.tool_config, prompt)
    for index, part in enumerate(request.system or ()):
        if part.cache_point is not None:
            _mark(prompt)
        elif part.text is not None:
            if not part.text.strip():
                raise reject(
                    f"The text field in the SystemContentBlock object at system.{index} is blank. Add text to the text "
                    "field, and try again."
                )
            prompt.add("system", part.text)
        elif part.guard_content is None:
            raise reject(f"SystemContentBlock object at system.{index} must set one of the following keys: text.")
    check_turns(request.messages, has_tools=request.tool_config is not None)
    names: dict[str, str] = {}
    for message in request.messages:
        if message.role == "user":
            prompt.begin_turn()
        for block in message.content:
            _read_block(block, message.role, prompt, names)
    _read_extras(request, prompt)
    if isinstance(request, ConverseRequest):
        _read_limits(request, prompt)
    return prompt


def _read_tools(config: ToolConfig, prompt: Prompt) -> None:
    for index, tool in enumerate(config.tools):
        if tool.cache_point is not None:
            _mark(prompt)
        elif tool.tool_spec is not None:
            if tool.cache_point is not None or tool.tool_spec.name in prompt.tools:
                raise reject(f"The tool at toolConfig.tools.{index} is defined more than once.")
            schema = tool.tool_spec.input_schema.json
            if schema.get("type") != "object":
                raise reject(
                    f"The value at toolConfig.tools.{index}.toolSpec.inputSchema.json.type must be one of the "
                    "following: object."
                )
            prompt.offer(tool.tool_spec.name, tool.tool_spec.description or "", schema)
        elif tool.system_tool is None:
            raise reject(f"Tool object at toolConfig.tools.{index} must set one of the following keys: toolSpec.")
    choice = config.tool_choice
    if choice is None or choice.auto is not None:
        return
    if choice.any is None and choice.tool is None:
        raise reject("ToolChoice object at toolConfig.toolChoice must set one of the following keys: auto, any, tool.")
    prompt.choice = "any"
    if choice.tool is not None:
        if choice.tool.name not in prompt.tools:
            raise reject_model_error(f"Tool '{choice.tool.name}' not found in provided tools")
        prompt.forced = choice.tool.name


def _mark(prompt: Prompt) -> None:
    if prompt.segments:
        prompt.segments[-1] = replace(prompt.segments[-1], is_marked=True)


def _read_block(block: Block, role: str, prompt: Prompt, names: dict[str, str]) -> None:
    if block.text is not None:
        if role == "user":
            prompt.say(block.text)
        else:
            prompt.add(role, block.text)
    elif block.cache_point is not None:
        _mark(prompt)
    elif block.image is not None:
        _attach(prompt, f"image/{block.image.format}", block.image.source)
    elif block.document is not None:
        _attach(prompt, f"document/{block.document.format or 'txt'}", block.document.source)
    elif block.video is not None:
        _attach(prompt, f"video/{block.video.format}", block.video.source)
    elif block.audio is not None:
        _attach(prompt, f"audio/{block.audio.format}", block.audio.source)
    elif block.tool_result is not None:
        prompt.take_outcome(names.get(block.tool_result.tool_use_id, "tool"), _read_result(block.tool_result, prompt))
    else:
        if block.tool_use is not None:
            names[block.tool_use.tool_use_id] = block.tool_use.name
        prompt.add(role, msgspec.json.encode(block).decode())


def _read_result(result: ToolResult, prompt: Prompt) -> str:
    texts = []
    for part in result.content:
        if part.text is not None:
            texts.append(part.text)
        elif part.json is not msgspec.UNSET:
            texts.append(msgspec.json.encode(part.json).decode())
        elif part.image is not None:
            _attach(prompt, f"image/{part.image.format}", part.image.source)
        elif part.document is not None:
            _attach(prompt, f"document/{part.document.format or 'txt'}", part.document.source)
    return "".join(texts)


def _attach(prompt: Prompt, kind: str, source: Source) -> None:
    if source.content_bytes is not None:
        if kind.startswith("image/") and len(source.content_bytes) > _LARGEST_IMAGE:
            raise reject_model_error("image exceeds 3.75 MB maximum")
        prompt.attach(kind, source.content_bytes.hex(), len(source.content_bytes))
    elif source.s3_location is not None:
        prompt.attach(kind, source.s3_location.uri)
    elif source.text is not None or source.content is not None:
        prompt.attach(kind, source.text or "")
    else:
        raise reject("Source object must set one of the following keys: bytes, s3Location.")


def _read_extras(request: CountRequest, prompt: Prompt) -> None:
    extras: dict[str, Any] = request.additional_model_request_fields or {}
    if "anthropic" in prompt.model:
        for name in extras:
            if name not in _CLAUDE_FIELDS:
                raise reject_model_error(f"{name}: Extra inputs are not permitted")
    thinking = extras.get("thinking")
    if isinstance(thinking, dict):
        prompt.thinks = thinking.get("type") in ("enabled", "adaptive")
        budget = thinking.get("budget_tokens")
        config = request.inference_config if isinstance(request, ConverseRequest) else None
        limit = config.max_tokens if config is not None else None
        if thinking.get("type") == "enabled" and not isinstance(budget, int):
            raise reject_model_error("thinking.enabled.budget_tokens: Field required")
        if isinstance(budget, int) and limit is not None and budget >= limit:
            raise reject_model_error("`max_tokens` must be greater than `thinking.budget_tokens`.")
    elif extras.get("reasoning_config") is not None:
        prompt.thinks = True
    if prompt.thinks and prompt.choice == "any":
        raise reject_model_error("Thinking may not be enabled when tool_choice forces tool use.")


def _read_limits(request: ConverseRequest, prompt: Prompt) -> None:
    config = request.inference_config
    if config is not None:
        prompt.max_tokens = config.max_tokens
        prompt.stops = tuple(config.stop_sequences or ())
        if prompt.thinks and config.temperature not in (None, 1):
            raise reject_model_error("`temperature` may only be set to 1 when thinking is enabled.")
    if request.output_config is None or request.output_config.text_format is None:
        return
    text = request.output_config.text_format.structure.json_schema.schema
    try:
        prompt.schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise reject("The JSON schema in outputConfig is not valid JSON.") from None
