"""Checks a messages request beyond its fields and reads the prompt out of it."""

import base64
import binascii
from typing import Any

import msgspec

from anygate.stubs.providers.anthropic import fields
from anygate.stubs.providers.anthropic.errors import reject
from anygate.stubs.providers.anthropic.turns import check_turns
from anygate.stubs.providers.fields import FieldFault, convert_fields
from anygate.stubs.providers.prompt import Prompt

_IMAGES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_MOST_MARKS = 4


def read_prompt(request: fields.CountRequest, model: str) -> Prompt:
    """Return what `request` asks, or raise what is wrong with it."""
    prompt = Prompt(model)
    prompt.thinks = isinstance(request.thinking, fields.EnabledThinking | fields.AdaptiveThinking)
    _read_tools(request, prompt)
    if isinstance(request.system, str):
        prompt.add("system", request.system)
    for index, block in enumerate(request.system or () if isinstance(request.system, list) else ()):
        _require_text(block.text, f"system.{index}")
        prompt.add("system", block.text, marked=block.cache_control is not None)
    check_turns(request.messages, thinks=prompt.thinks)
    _read_messages(request.messages, prompt)
    _check_marks(request, prompt)
    wanted = request.output_config.format if request.output_config else request.output_format
    prompt.schema = wanted.schema if wanted is not None else None
    if isinstance(request, fields.Sampling):
        _read_sampling(request, prompt)
    return prompt


def _read_sampling(request: fields.Sampling, prompt: Prompt) -> None:
    prompt.max_tokens = request.max_tokens
    prompt.stops = tuple(request.stop_sequences or ())
    if any(not stop.strip() for stop in prompt.stops):
        raise reject("stop_sequences: each stop sequence must contain non-whitespace")
    if isinstance(request.thinking, fields.EnabledThinking) and request.thinking.budget_tokens >= request.max_tokens:
        raise reject(
            "`max_tokens` must be greater than `thinking.budget_tokens`. Please consult our documentation at "
            "https://docs.claude.com/en/docs/build-with-claude/extended-thinking#max-tokens-and-context-window-size"
        )
    if prompt.thinks and request.temperature not in (None, 1):
        raise reject("`temperature` may only be set to 1 when thinking is enabled.")
    if prompt.thinks and request.top_k is not None:
        raise reject("`top_k` must be unset when thinking is enabled.")


def _read_tools(request: fields.CountRequest, prompt: Prompt) -> None:
    for index, tool in enumerate(request.tools or ()):
        _offer(tool, index, prompt)
    choice = request.tool_choice
    if choice is None:
        return
    if not request.tools:
        raise reject("tool_choice: Tool choice may only be specified while providing tools.")
    if isinstance(choice, fields.NoneChoice):
        prompt.choice = "none"
        return
    prompt.is_parallel = not choice.disable_parallel_tool_use
    if isinstance(choice, fields.AutoChoice):
        return
    if prompt.thinks:
        raise reject("Thinking may not be enabled when tool_choice forces tool use.")
    prompt.choice = "any"
    if isinstance(choice, fields.ToolChoice):
        if choice.name not in prompt.tools:
            raise reject(f"Tool '{choice.name}' not found in provided tools")
        prompt.forced = choice.name


def _offer(tool: dict[str, Any], index: int, prompt: Prompt) -> None:
    kind = tool.get("type", "custom")
    if kind not in ("custom", None):
        # Tools of the vendor are named by a date at the end; they are accepted, not played.
        if not isinstance(kind, str) or not kind[-8:].isdigit():
            message = f"tools.{index}: Input tag '{kind}' found using 'type' does not match any of the expected tags"
            raise reject(message)
        return
    try:
        found = convert_fields(tool, fields.Tool)
    except FieldFault as fault:
        fault.path = f"tools[{index}].custom.{fault.path}"
        raise
    if found.name in prompt.tools:
        raise reject("tools: Tool names must be unique.")
    if "type" not in found.input_schema:
        raise reject(f"tools.{index}.custom.input_schema.type: Field required")
    if found.input_schema["type"] != "object":
        raise reject(f"tools.{index}.custom.input_schema.type: Input should be 'object'")
    marked = found.cache_control is not None
    prompt.offer(found.name, found.description or "", found.input_schema, marked=marked)


def _read_messages(messages: list[fields.Message], prompt: Prompt) -> None:
    names: dict[str, str] = {}
    for index, message in enumerate(messages):
        if message.role == "user":
            prompt.begin_turn()
        if isinstance(message.content, str):
            if message.role == "user":
                prompt.say(message.content)
            else:
                prompt.add(message.role, message.content)
            continue
        for place, block in enumerate(message.content):
            _read_block(block, message.role, prompt, names, f"messages.{index}.content.{place}")


def _read_block(block: fields.Block, role: str, prompt: Prompt, names: dict[str, str], path: str) -> None:
    marked = getattr(block, "cache_control", None) is not None
    if isinstance(block, fields.TextBlock):
        _require_text(block.text, path)
        if role == "user":
            prompt.say(block.text, marked=marked)
        else:
            prompt.add(role, block.text, marked=marked)
    elif isinstance(block, fields.ImageBlock | fields.DocumentBlock):
        _attach(block, prompt, path, marked=marked)
    elif isinstance(block, fields.ToolResultBlock):
        text = _read_result(block, prompt, path)
        prompt.take_outcome(names.get(block.tool_use_id, "tool"), text, marked=marked)
    else:
        if isinstance(block, fields.ToolUseBlock):
            names[block.id] = block.name
        prompt.add(role, msgspec.json.encode(block).decode(), marked=marked)


def _read_result(block: fields.ToolResultBlock, prompt: Prompt, path: str) -> str:
    if isinstance(block.content, str):
        return block.content
    texts = []
    for place, part in enumerate(block.content or ()):
        if isinstance(part, fields.TextBlock):
            texts.append(part.text)
        elif isinstance(part, fields.SearchResultBlock):
            texts += [each.text for each in part.content]
        else:
            _attach(part, prompt, f"{path}.content.{place}", marked=part.cache_control is not None)
            texts.append(f"[{prompt.attachments[-1]}]")
    return "".join(texts)


def _attach(block: fields.ImageBlock | fields.DocumentBlock, prompt: Prompt, path: str, *, marked: bool) -> None:
    kind = "image" if isinstance(block, fields.ImageBlock) else "document"
    source = block.source
    if isinstance(source, fields.Base64Source):
        known = _IMAGES if kind == "image" else ("application/pdf",)
        if source.media_type not in known:
            listed = " or ".join(f"'{each}'" for each in known)
            raise reject(f"{path}.{kind}.source.base64.media_type: Input should be {listed}")
        prompt.attach(source.media_type, source.data, _measure(source.data, f"{path}.{kind}"), marked=marked)
    elif isinstance(source, fields.UrlSource):
        if not source.url.startswith("https://"):
            raise reject(f"{path}.{kind}.source.url.url: Only HTTPS URLs are supported.")
        prompt.attach(kind, source.url, marked=marked)
    elif isinstance(source, fields.TextSource):
        prompt.attach(source.media_type, source.data, len(source.data.encode()), marked=marked)
    else:
        prompt.attach(kind, msgspec.json.encode(source).decode(), marked=marked)


def _measure(encoded: str, path: str) -> int:
    try:
        return len(base64.b64decode(encoded, validate=True))
    except (binascii.Error, ValueError):
        raise reject(f"{path}.source.base64.data: invalid base64 data") from None


def _require_text(text: str, path: str) -> None:
    if not text:
        raise reject(f"{path.partition('.')[0]}: text content blocks must be non-empty")


def _check_marks(request: fields.CountRequest, prompt: Prompt) -> None:
    marks = sum(segment.is_marked for segment in prompt.segments) + (request.cache_control is not None)
    if marks > _MOST_MARKS:
        raise reject(f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {marks}.")
    if request.cache_control is not None and prompt.segments:
        last = prompt.segments[-1]
        prompt.segments[-1] = type(last)(last.role, last.text, last.tokens, is_marked=True)
