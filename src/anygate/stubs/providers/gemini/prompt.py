"""Checks a Gemini request beyond its fields and reads the prompt out of it."""

import base64
import binascii
import re

import msgspec

from anygate.stubs.providers.gemini.errors import reject
from anygate.stubs.providers.gemini.fields import (
    Content,
    FunctionCall,
    GenerateRequest,
    GenerationConfig,
    Part,
    Tool,
    ToolConfig,
)
from anygate.stubs.providers.prompt import Prompt
from anygate.stubs.providers.signature import is_signed, sign

_SIGNING_MODEL = re.compile(r"gemini-([3-9]|\d\d)")
_PLACEHOLDERS = ("context_engineering_is_the_way_to_go", "skip_thought_signature_validator")
_ACCEPTED = frozenset(
    (*_PLACEHOLDERS, *(base64.b64encode(text.encode()).decode().rstrip("=") for text in _PLACEHOLDERS))
)
_ONE_OF = (
    "text",
    "inline_data",
    "file_data",
    "function_call",
    "function_response",
    "executable_code",
    "code_execution_result",
)
_sorted = msgspec.json.Encoder(order="deterministic").encode


def read_prompt(request: GenerateRequest, model: str) -> Prompt:
    """Return what `request` asks, or raise what is wrong with it."""
    prompt = Prompt(model)
    if not request.contents:
        raise reject("* GenerateContentRequest.contents: contents is not specified\n")
    _read_tools(request.tools or [], prompt)
    if request.tool_config is not None:
        _read_choice(request.tool_config, prompt)
    for part in (request.system_instruction.parts or ()) if request.system_instruction else ():
        prompt.add("system", part.text or "")
    _check_turns(request.contents, model)
    for index, content in enumerate(request.contents):
        is_user = content.role != "model"
        if is_user:
            prompt.begin_turn()
        for place, part in enumerate(content.parts or ()):
            _read_part(part, prompt, f"contents[{index}].parts[{place}]", is_user=is_user)
    if request.generation_config is not None:
        _read_config(request.generation_config, prompt)
    return prompt


def sign_call(name: str, arguments: object) -> str:
    """Return the thought signature that goes out with a function call, and must come back with it."""
    return sign(_describe_call(name, arguments))


def measure_blob(encoded: str, path: str) -> int:
    """Return how many bytes are encoded; Google takes both alphabets of base64, padded or not."""
    plain = encoded.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return len(base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True))
    except (binascii.Error, ValueError):
        message = (
            f"Invalid value at '{path}.inline_data.data' (TYPE_BYTES), Base64 decoding failed for \"{encoded[:16]}\""
        )
        raise reject(message) from None


def _describe_call(name: str, arguments: object) -> str:
    return f"{name} {_sorted(arguments).decode()}"


def _read_tools(tools: list[Tool], prompt: Prompt) -> None:
    for tool in tools:
        for function in tool.function_declarations or ():
            if function.name in prompt.tools:
                raise reject(f"Duplicate function declaration found: {function.name}")
            if function.parameters is not None and function.parameters_json_schema is not None:
                raise reject("parameters and parameters_json_schema must not be set both.")
            schema = function.parameters or function.parameters_json_schema or {}
            prompt.offer(function.name, function.description or "", schema)


def _read_choice(config: ToolConfig, prompt: Prompt) -> None:
    calling = config.function_calling_config
    if calling is None:
        return
    mode = calling.mode or "AUTO"
    names = calling.allowed_function_names
    if names and mode not in ("ANY", "VALIDATED"):
        raise reject("Please set allowed_function_names only when function calling mode is ANY or VALIDATED.")
    for name in names or ():
        if name not in prompt.tools:
            raise reject(f"allowed_function_names contains a function that is not declared: {name}")
    prompt.choice = "any" if mode == "ANY" else "none" if mode == "NONE" else "auto"
    if mode == "ANY" and names and len(names) == 1:
        prompt.forced = names[0]
    elif names:
        prompt.tools = {name: prompt.tools[name] for name in names}
    if mode == "ANY" and not prompt.tools:
        raise reject("Function calling mode is set to ANY but no function declarations are given.")


def _check_turns(contents: list[Content], model: str) -> None:
    calls = 0
    previous = ""
    for index, content in enumerate(contents):
        path = f"GenerateContentRequest.contents[{index}]"
        if content.role not in (None, "user", "model", "function"):
            raise reject("Please use a valid role: user, model.")
        if not content.parts:
            raise reject(f"* {path}.parts: contents.parts must not be empty.\n")
        for place, part in enumerate(content.parts):
            if sum(getattr(part, kind) is not None for kind in _ONE_OF) != 1:
                raise reject(
                    f"* {path}.parts[{place}].data: required oneof field 'data' must have one initialized field\n"
                )
        answers = sum(part.function_response is not None for part in content.parts)
        if answers != calls and (answers or calls):
            raise reject(
                "Please ensure that the number of function response parts is equal to the number of function call "
                "parts of the function call turn."
            )
        calls = sum(part.function_call is not None for part in content.parts)
        if calls and (content.role != "model" or not previous):
            raise reject(
                "Please ensure that function call turn comes immediately after a user turn or after a function "
                "response turn."
            )
        if calls:
            _check_signatures(content.parts, model, index)
        previous = content.role or "user"
    if calls:
        raise reject(
            "Please ensure that the number of function response parts is equal to the number of function call parts "
            "of the function call turn."
        )


def _check_signatures(parts: list[Part], model: str, index: int) -> None:
    first = True
    for part in parts:
        if part.function_call is None:
            continue
        if part.thought_signature is None:
            if first and _SIGNING_MODEL.match(model):
                raise reject(
                    "Function call is missing a thought_signature in functionCall parts. This is required for tools to "
                    "work correctly, and missing thought_signature may lead to degraded model performance. Additional "
                    f"data, function call `default_api:{part.function_call.name}` , position {index + 1}. Please refer "
                    "to https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
                )
        elif not _is_signed(part.function_call, part.thought_signature):
            raise reject("Corrupted thought signature.")
        first = False


def _is_signed(call: FunctionCall, signature: str) -> bool:
    plain = signature.replace("-", "+").replace("_", "/")
    if signature.rstrip("=") in _ACCEPTED or plain.rstrip("=") in _ACCEPTED:
        return True
    return is_signed(_describe_call(call.name, call.args or {}), plain)


def _read_part(part: Part, prompt: Prompt, path: str, *, is_user: bool) -> None:
    if part.text is not None:
        if is_user:
            prompt.say(part.text)
        elif not part.thought:
            prompt.add("model", part.text)
    elif part.inline_data is not None:
        if "/" not in part.inline_data.mime_type:
            raise reject(f"Unsupported MIME type: {part.inline_data.mime_type}")
        size = measure_blob(part.inline_data.data, path)
        prompt.attach(part.inline_data.mime_type, part.inline_data.data, size)
    elif part.file_data is not None:
        prompt.attach(part.file_data.mime_type or "file", part.file_data.file_uri)
    elif part.function_response is not None:
        response = part.function_response
        if not response.name:
            raise reject(f"* GenerateContentRequest.{path}.function_response.name: Name cannot be empty.\n")
        text = (response.response or {}).get("output", response.response or {})
        prompt.take_outcome(response.name, text if isinstance(text, str) else msgspec.json.encode(text).decode())
    else:
        prompt.add("model", msgspec.json.encode(part).decode())


def _read_config(config: GenerationConfig, prompt: Prompt) -> None:
    prompt.max_tokens = config.max_output_tokens
    prompt.stops = tuple(config.stop_sequences or ())
    thinking = config.thinking_config
    if thinking is not None:
        if thinking.thinking_budget is not None and thinking.thinking_level is not None:
            raise reject("You can only set only one of thinking budget and thinking level.")
        prompt.thinks = thinking.thinking_budget != 0
    if config.logprobs is not None and not config.response_logprobs:
        raise reject("logprobs can only be set when response_logprobs is true.")
    schema = config.response_schema if config.response_schema is not None else config.response_json_schema
    if config.response_schema is not None and config.response_json_schema is not None:
        raise reject("response_schema and response_json_schema must not be set both.")
    if schema is not None:
        if config.response_mime_type not in ("application/json", "text/x.enum"):
            raise reject("Response schema is only supported with response mime type application/json or text/x.enum.")
        if config.response_mime_type == "application/json":
            prompt.schema = schema
    elif config.response_mime_type == "application/json":
        prompt.is_json = True
