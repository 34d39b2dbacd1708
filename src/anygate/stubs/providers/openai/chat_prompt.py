"""Checks a chat completion request beyond its fields and reads the prompt out of it."""

import re

import msgspec

from anygate.stubs.providers.openai.chat_fields import (
    AllowedChoice,
    AssistantMessage,
    AudioPart,
    ChatRequest,
    CustomChoice,
    FilePart,
    FunctionCall,
    FunctionChoice,
    FunctionMessage,
    FunctionTool,
    ImagePart,
    JsonFormat,
    RefusalPart,
    SchemaFormat,
    TextPart,
    ToolMessage,
    UserMessage,
)
from anygate.stubs.providers.openai.errors import reject, reject_empty, reject_missing
from anygate.stubs.providers.openai.media_parts import attach_image, read_size, read_uri
from anygate.stubs.providers.prompt import Prompt

_REASONING = re.compile(r"(o\d|gpt-5)")


def read_prompt(request: ChatRequest) -> Prompt:
    """Return what `request` asks, or raise what is wrong with it."""
    _check_model(request)
    _check_order(request)
    prompt = Prompt(request.model)
    _read_tools(request, prompt)
    names = _name_calls(request)
    for index, message in enumerate(request.messages):
        path = f"messages[{index}].content"
        if isinstance(message, UserMessage):
            prompt.begin_turn()
            _read_user(message, prompt, path)
        elif isinstance(message, ToolMessage):
            prompt.take_outcome(names.get(message.tool_call_id, "tool"), _join(message.content))
        elif isinstance(message, FunctionMessage):
            prompt.take_outcome(message.name, message.content or "")
        elif isinstance(message, AssistantMessage):
            _read_assistant(message, prompt)
        else:
            prompt.add("system", _join(message.content))
    _read_limits(request, prompt)
    return prompt


def _check_model(request: ChatRequest) -> None:
    if request.stream_options is not None and not request.stream:
        raise reject("The 'stream_options' parameter is only allowed when 'stream' is enabled.", "stream_options")
    if _REASONING.match(request.model) and request.max_tokens is not None:
        message = (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        )
        raise reject(message, "max_tokens", "unsupported_parameter")
    if request.top_logprobs is not None and not request.logprobs:
        raise reject("'top_logprobs' is only allowed when 'logprobs' is enabled.", "top_logprobs")
    if request.tool_choice is not None and not request.tools:
        message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
        raise reject(message, "tool_choice")
    if request.parallel_tool_calls is not None and not request.tools:
        message = (
            "Invalid value for 'parallel_tool_calls': 'parallel_tool_calls' is only allowed when 'tools' are specified."
        )
        raise reject(message, "parallel_tool_calls")


def _check_order(request: ChatRequest) -> None:
    """Every tool call is answered, and nothing else is."""
    waiting: set[str] = set()
    follows_calls = False
    for index, message in enumerate(request.messages):
        if isinstance(message, ToolMessage):
            if not follows_calls or message.tool_call_id not in waiting:
                text = (
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'."
                )
                raise reject(text, f"messages.[{index}].role")
            waiting.discard(message.tool_call_id)
            continue
        if waiting:
            raise _reject_unanswered(waiting, index)
        calls = message.tool_calls if isinstance(message, AssistantMessage) else None
        waiting = {call.id for call in calls or ()}
        follows_calls = bool(calls)
    if waiting:
        raise _reject_unanswered(waiting, len(request.messages))


def _reject_unanswered(waiting: set[str], index: int) -> Exception:
    text = (
        "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
        f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(waiting))}"
    )
    return reject(text, f"messages.[{index}].role")


def _name_calls(request: ChatRequest) -> dict[str, str]:
    names = {}
    for message in request.messages:
        if isinstance(message, AssistantMessage):
            for call in message.tool_calls or ():
                names[call.id] = call.function.name if isinstance(call, FunctionCall) else call.custom.name
    return names


def _read_tools(request: ChatRequest, prompt: Prompt) -> None:
    functions = list(request.functions or ())
    functions += [tool.function for tool in request.tools or () if isinstance(tool, FunctionTool)]
    for function in functions:
        prompt.offer(function.name, function.description or "", function.parameters or {})
    for tool in request.tools or ():
        if not isinstance(tool, FunctionTool):
            prompt.offer(str(tool.custom.get("name")), "", {"properties": {"input": {"type": "string"}}})
    prompt.is_parallel = request.parallel_tool_calls is not False
    choice = request.tool_choice
    if isinstance(choice, FunctionChoice | CustomChoice):
        prompt.choice = "any"
        prompt.forced = choice.function.name if isinstance(choice, FunctionChoice) else choice.custom.name
        if prompt.forced not in prompt.tools:
            message = f"Invalid value for 'tool_choice': Tool choice '{prompt.forced}' not found in 'tools' parameter."
            raise reject(message, "tool_choice")
    elif isinstance(choice, AllowedChoice):
        prompt.choice = "any" if choice.allowed_tools.mode == "required" else "auto"
    elif choice is not None:
        prompt.choice = "any" if choice == "required" else "none" if choice == "none" else "auto"


def _read_user(message: UserMessage, prompt: Prompt, path: str) -> None:
    if isinstance(message.content, str):
        prompt.say(message.content)
        return
    if not message.content:
        raise reject_empty(path)
    for index, part in enumerate(message.content):
        place = f"{path}[{index}]"
        marked = part.prompt_cache_breakpoint is not None
        if isinstance(part, TextPart):
            prompt.say(part.text, marked=marked)
        elif isinstance(part, ImagePart):
            attach_image(prompt, part.image_url.url, f"{place}.image_url.url", marked=marked)
        elif isinstance(part, AudioPart):
            size = read_size(part.input_audio.data, f"{place}.input_audio.data")
            prompt.attach(f"audio/{part.input_audio.format}", part.input_audio.data, size, marked=marked)
        elif isinstance(part, FilePart):
            _read_file(part, prompt, place, marked=marked)


def _read_file(part: FilePart, prompt: Prompt, path: str, *, marked: bool) -> None:
    file = part.file
    if file.file_data is not None:
        media, size = read_uri(file.file_data, f"{path}.file.file_data")
        prompt.attach(media, file.file_data, size, marked=marked)
    elif file.file_id is not None:
        prompt.attach("file", file.file_id, marked=marked)
    else:
        raise reject_missing(f"{path}.file.file_id")


def _read_assistant(message: AssistantMessage, prompt: Prompt) -> None:
    content = message.content
    if isinstance(content, list):
        texts = [part.refusal if isinstance(part, RefusalPart) else part.text for part in content]
        content = "".join(texts)
    prompt.add("assistant", content or message.refusal or "")
    for call in message.tool_calls or ():
        prompt.add("assistant", msgspec.json.encode(call).decode())


def _read_limits(request: ChatRequest, prompt: Prompt) -> None:
    prompt.max_tokens = request.max_completion_tokens or request.max_tokens
    stop = request.stop
    prompt.stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
    prompt.thinks = request.reasoning_effort not in (None, "none")
    wanted = request.response_format
    if isinstance(wanted, SchemaFormat):
        if wanted.json_schema.schema is None:
            raise reject_missing("response_format.json_schema.schema")
        prompt.schema = wanted.json_schema.schema
    elif isinstance(wanted, JsonFormat):
        if not any("json" in segment.text.lower() for segment in prompt.segments):
            message = (
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'."
            )
            raise reject(message, "messages")
        prompt.is_json = True


def _join(content: str | list[TextPart]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)
