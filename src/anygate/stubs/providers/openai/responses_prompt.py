"""Checks the items of a responses request and reads the prompt out of them."""

from typing import Any

import msgspec

from anygate.stubs.providers.fields import FieldFault, convert_fields
from anygate.stubs.providers.openai.errors import reject
from anygate.stubs.providers.openai.media_parts import attach_image, read_uri
from anygate.stubs.providers.openai.responses_fields import (
    ITEMS,
    CallItem,
    FunctionTool,
    InputFile,
    InputImage,
    MessageItem,
    ObjectFormat,
    OutputItem,
    OutputRefusal,
    OutputText,
    Part,
    ReasoningItem,
    ResponseRequest,
    SchemaFormat,
    TokensRequest,
)
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.signature import is_sealed

Item = MessageItem | CallItem | OutputItem | ReasoningItem

# Items and tools of services that run at the vendor: accepted, not played.
_SERVED_ITEMS = ("_call", "_call_output", "_reference", "_list_tools", "_request", "_response", "compaction")
_SERVED_TOOLS = (
    *("web_search", "file_search", "code_interpreter", "image_generation", "mcp", "computer", "custom"),
    *("local_shell", "shell", "apply_patch", "tool_search", "namespace"),
)


def read_prompt(request: TokensRequest) -> Prompt:
    """Return what `request` asks, or raise what is wrong with it."""
    prompt = Prompt(request.model or "")
    if request.input is None:
        raise reject("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    if request.previous_response_id is not None:
        message = f"Previous response with id '{request.previous_response_id}' not found."
        raise reject(message, "previous_response_id", "previous_response_not_found")
    _read_tools(request, prompt)
    if request.instructions is not None:
        prompt.add("system", request.instructions)
    if isinstance(request.input, str):
        prompt.say(request.input)
    else:
        _read_items([_read_item(item, index) for index, item in enumerate(request.input)], prompt)
    _read_format(request, prompt)
    if isinstance(request, ResponseRequest):
        prompt.max_tokens = request.max_output_tokens
    prompt.thinks = request.reasoning is not None and request.reasoning.effort not in (None, "none")
    return prompt


def _read_item(item: dict[str, Any], index: int) -> Item | None:
    kind = item.get("type", "message")
    if not isinstance(kind, str) or kind not in ITEMS:
        if isinstance(kind, str) and kind.endswith(_SERVED_ITEMS):
            return None
        known = ", ".join(f"'{name}'" for name in ITEMS)
        message = f"Invalid value: '{kind}'. Supported values are: {known}."
        raise reject(message, f"input[{index}].type", "invalid_value")
    try:
        return convert_fields(item, ITEMS[kind])
    except FieldFault as fault:
        dot = "." if fault.path and not fault.path.startswith("[") else ""
        fault.path = f"input[{index}]{dot}{fault.path}"
        raise


def _read_items(items: list[Item | None], prompt: Prompt) -> None:
    names: dict[str, str] = {}
    unanswered: dict[str, None] = {}
    for index, item in enumerate(items):
        if isinstance(item, CallItem):
            names[item.call_id] = item.name
            unanswered[item.call_id] = None
            prompt.add("assistant", msgspec.json.encode(item).decode())
        elif isinstance(item, OutputItem):
            if item.call_id not in names:
                raise reject(f"No tool call found for function call output with call_id {item.call_id}.", "input")
            unanswered.pop(item.call_id, None)
            prompt.take_outcome(names[item.call_id], _join(item.output))
        elif isinstance(item, ReasoningItem):
            _check_thought(item)
        elif isinstance(item, MessageItem):
            _read_message(item, prompt, f"input[{index}].content")
    for call_id in unanswered:
        raise reject(f"No tool output found for function call {call_id}.", "input")


def _check_thought(item: ReasoningItem) -> None:
    sealed = item.encrypted_content
    if sealed is not None and not is_sealed(sealed):
        message = f"The encrypted content {sealed[:8]}... could not be verified."
        raise reject(message, None, "invalid_encrypted_content")


def _read_message(item: MessageItem, prompt: Prompt, path: str) -> None:
    if item.role == "user":
        prompt.begin_turn()
    parts = item.content
    if isinstance(parts, str):
        prompt.say(parts) if item.role == "user" else prompt.add(item.role, parts)
        return
    for index, part in enumerate(parts):
        place = f"{path}[{index}]"
        is_output = isinstance(part, OutputText | OutputRefusal)
        if is_output != (item.role == "assistant"):
            kind = str(part.__struct_config__.tag)
            known = (
                "'output_text' and 'refusal'"
                if item.role == "assistant"
                else ("'input_text', 'input_image', and 'input_file'")
            )
            message = f"Invalid value: '{kind}'. Supported values are: {known}."
            raise reject(message, place, "invalid_value")
        _read_part(part, item.role, prompt, place)


def _read_part(part: Part, role: str, prompt: Prompt, path: str) -> None:
    if isinstance(part, InputImage):
        if part.image_url is not None:
            attach_image(prompt, part.image_url, f"{path}.image_url")
        else:
            prompt.attach("image", part.file_id or "")
    elif isinstance(part, InputFile):
        if part.file_data is not None:
            media, size = read_uri(part.file_data, f"{path}.file_data")
            prompt.attach(media, part.file_data, size)
        else:
            prompt.attach("file", part.file_id or part.file_url or "")
    elif isinstance(part, OutputRefusal):
        prompt.add(role, part.refusal)
    elif role == "user":
        prompt.say(part.text)
    else:
        prompt.add(role, part.text)


def _join(output: str | list[Part]) -> str:
    if isinstance(output, str):
        return output
    return "".join(getattr(part, "text", "") for part in output)


def _read_tools(request: TokensRequest, prompt: Prompt) -> None:
    for index, tool in enumerate(request.tools or ()):
        kind = tool.get("type")
        if kind == "function":
            _offer(tool, index, prompt)
        elif not isinstance(kind, str) or not kind.startswith(_SERVED_TOOLS):
            path = f"tools[{index}].type"
            if kind is None:
                raise reject(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")
            raise reject(f"Invalid value: '{kind}'.", path, "invalid_value")
    prompt.is_parallel = request.parallel_tool_calls is not False
    choice = request.tool_choice
    if choice in ("auto", "none", "required"):
        prompt.choice = "any" if choice == "required" else "none" if choice == "none" else "auto"
    elif isinstance(choice, dict) and choice.get("type") == "function":
        prompt.choice, prompt.forced = "any", str(choice.get("name"))
        if prompt.forced not in prompt.tools:
            message = f"Tool choice 'function' with name '{prompt.forced}' not found in 'tools' parameter."
            raise reject(message, "tool_choice")
    elif choice is not None and not isinstance(choice, dict):
        message = f"Invalid value: {choice!r}. Supported values are: 'none', 'auto', and 'required'."
        raise reject(message, "tool_choice", "invalid_value")


def _offer(tool: dict[str, Any], index: int, prompt: Prompt) -> None:
    try:
        function = convert_fields(tool, FunctionTool)
    except FieldFault as fault:
        fault.path = f"tools[{index}].{fault.path}"
        raise
    prompt.offer(function.name, function.description or "", function.parameters or {})


def _read_format(request: TokensRequest, prompt: Prompt) -> None:
    wanted = request.text.format if request.text is not None else None
    if isinstance(wanted, SchemaFormat):
        prompt.schema = wanted.schema
    elif isinstance(wanted, ObjectFormat):
        if not any("json" in segment.text.lower() for segment in prompt.segments):
            message = (
                "Response input messages must contain the word 'json' in some form to use 'text.format' of type "
                "'json_object'."
            )
            raise reject(message, "input")
        prompt.is_json = True
