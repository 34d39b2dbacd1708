"""The rules about the order of messages and blocks in Converse."""

from base64 import b64encode

from anygate.stubs.providers.bedrock.errors import reject, reject_model_error
from anygate.stubs.providers.bedrock.fields import Block, Message
from anygate.stubs.providers.signature import is_sealed, is_signed

_KINDS = (
    "text",
    "image",
    "document",
    "video",
    "audio",
    "tool_use",
    "tool_result",
    "guard_content",
    "cache_point",
    "reasoning_content",
    "citations_content",
    "search_result",
    "tool_addition",
    "tool_removal",
)


def check_turns(messages: list[Message], *, has_tools: bool) -> None:
    """Raise the first violation of the order."""
    if not messages or messages[0].role != "user":
        raise reject(
            "A conversation must start with a user message. Try again with a conversation that starts with a user "
            "message."
        )
    called: list[str] = []
    previous = ""
    for index, message in enumerate(messages):
        if message.role == previous:
            raise reject(
                "A conversation must alternate between user and assistant roles. Make sure the conversation alternates "
                "between user and assistant roles and try again."
            )
        previous = message.role
        if not message.content:
            raise reject(
                f"The content field in the Message object at messages.{index} is empty. Add a ContentBlock object to "
                "the content field and try again."
            )
        for place, block in enumerate(message.content):
            _check_block(block, message.role, f"messages.{index}.content.{place}")
        called = _check_calls(message, index, called)
        if not has_tools and any(block.tool_use or block.tool_result for block in message.content):
            raise reject("The toolConfig field must be defined when using toolUse and toolResult content blocks.")
    if called:
        raise _reject_unanswered(called, len(messages))


def _check_calls(message: Message, index: int, called: list[str]) -> list[str]:
    answered = [block.tool_result.tool_use_id for block in message.content if block.tool_result is not None]
    if len(answered) > len(called):
        raise reject(
            f"The number of toolResult blocks at messages.{index}.content exceeds the number of toolUse blocks of "
            "previous turn."
        )
    missing = [call for call in called if call not in answered]
    if missing:
        raise _reject_unanswered(missing, index)
    return [block.tool_use.tool_use_id for block in message.content if block.tool_use is not None]


def _reject_unanswered(missing: list[str], index: int) -> Exception:
    return reject(f"Expected toolResult blocks at messages.{index}.content for the following Ids: {', '.join(missing)}")


def _check_block(block: Block, role: str, path: str) -> None:
    found = [kind for kind in _KINDS if getattr(block, kind) is not None]
    if len(found) != 1:
        raise reject(
            f"ContentBlock object at {path} must set one of the following keys: text, image, toolUse, toolResult, "
            "document, video, cachePoint, reasoningContent."
        )
    if block.text is not None and not block.text.strip():
        raise reject(
            f"The text field in the ContentBlock object at {path} is blank. Add text to the text field, and try again."
        )
    if role == "user" and (block.tool_use is not None or block.reasoning_content is not None):
        raise reject(f"User messages cannot contain toolUse or reasoningContent blocks. Remove the block at {path}.")
    if role == "assistant" and block.tool_result is not None:
        raise reject(f"Assistant messages cannot contain toolResult blocks. Remove the block at {path}.")
    thought = block.reasoning_content
    if thought is None:
        return
    if thought.reasoning_text is not None:
        signature = thought.reasoning_text.signature
        if signature is None or not is_signed(thought.reasoning_text.text, signature):
            raise reject_model_error(f"{path}: Invalid `signature` in `thinking` block")
    elif thought.redacted_content is None or not is_sealed(b64encode(thought.redacted_content).decode()):
        raise reject_model_error(f"{path}: Invalid `data` in `redacted_thinking` block")
