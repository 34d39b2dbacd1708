"""The rules about the order of messages and blocks: https://docs.claude.com/en/api/messages."""

from anygate.stubs.providers.anthropic.errors import reject
from anygate.stubs.providers.anthropic.fields import (
    Message,
    RedactedThinkingBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from anygate.stubs.providers.signature import is_sealed, is_signed


def check_turns(messages: list[Message], *, thinks: bool) -> None:
    """Raise the first violation of the order."""
    if not messages:
        raise reject("messages: at least one message is required")
    if messages[0].role == "system":
        raise reject(
            'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" '
            "as an input message role."
        )
    if messages[0].role != "user":
        raise reject('messages: first message must use the "user" role')
    called: set[str] = set()
    for index, message in enumerate(messages):
        if not message.content and index < len(messages) - 1:
            raise reject(
                f"messages.{index}: all messages must have non-empty content except for the optional final "
                "assistant message"
            )
        if not message.content and message.role == "user":
            raise reject(f"messages.{index}: user messages must have non-empty content")
        if message.role == "system":
            continue
        called = _check_message(message, index, called)
    if called:
        raise _reject_unanswered(called, len(messages) - 1)
    _check_last(messages, thinks=thinks)


def _check_message(message: Message, index: int, called: set[str]) -> set[str]:
    """Check one message after which had asked for the calls `called`; return the calls it asks for."""
    asks: set[str] = set()
    answers: set[str] = set()
    for place, block in enumerate(message.content if isinstance(message.content, list) else ()):
        path = f"messages.{index}.content.{place}"
        if isinstance(block, ToolUseBlock | ThinkingBlock | RedactedThinkingBlock) and message.role != "assistant":
            kind = block.__struct_config__.tag
            raise reject(f"messages.{index}: `{kind}` blocks can only be in `assistant` messages")
        if isinstance(block, ToolUseBlock):
            if block.id in asks:
                raise reject(f"{path}: `tool_use` ids must be unique")
            asks.add(block.id)
        elif isinstance(block, ToolResultBlock):
            if message.role != "user":
                raise reject(f"messages.{index}: `tool_result` blocks can only be in `user` messages")
            if block.tool_use_id not in called:
                raise reject(
                    f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {block.tool_use_id}. Each "
                    "`tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
            answers.add(block.tool_use_id)
        elif isinstance(block, ThinkingBlock) and not is_signed(block.thinking, block.signature):
            raise reject(f"{path}: Invalid `signature` in `thinking` block")
        elif isinstance(block, RedactedThinkingBlock) and not is_sealed(block.data):
            raise reject(f"{path}: Invalid `data` in `redacted_thinking` block")
    if called - answers:
        raise _reject_unanswered(called - answers, index - 1)
    return asks


def _reject_unanswered(called: set[str], index: int) -> Exception:
    return reject(
        f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        f"{', '.join(sorted(called))}. Each `tool_use` block must have a corresponding `tool_result` block in the next "
        "message."
    )


def _check_last(messages: list[Message], *, thinks: bool) -> None:
    last = messages[-1]
    if last.role == "assistant" and isinstance(last.content, str) and last.content != last.content.rstrip():
        raise reject("messages: final assistant content cannot end with trailing whitespace")
    if not thinks:
        return
    for index in range(len(messages) - 1, -1, -1):
        message = messages[index]
        if message.role != "assistant":
            continue
        blocks = message.content if isinstance(message.content, list) else []
        has_calls = any(isinstance(block, ToolUseBlock) for block in blocks)
        if has_calls and not isinstance(blocks[0], ThinkingBlock | RedactedThinkingBlock):
            kind = blocks[0].__struct_config__.tag
            raise reject(
                f"messages.{index}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{kind}`. "
                "When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceeding "
                "the lastmost set of `tool_use` and `tool_result` blocks)."
            )
        return
