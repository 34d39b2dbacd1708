"""Rewriting a conversation for targets that demand alternating turns and one system prompt."""

import re
from collections.abc import Iterator

from anygate.providers.chat.parts import Message, Part, Text
from anygate.providers.chat.request import ChatRequest
from anygate.providers.losses import Losses

_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NOT_IN_CALL_ID = re.compile(r"[^a-zA-Z0-9_-]")


def gather_system(request: ChatRequest, losses: Losses) -> list[Text]:
    """The system prompt with the system messages of the conversation behind it, in order."""
    texts = list(request.system)
    for message in request.messages:
        if message.role == "system":
            losses.add(message.path, "moved to the system prompt, the target has no system messages between turns")
            texts.extend(part for part in message.parts if isinstance(part, Text))
    return texts


def merge_turns(messages: list[Message]) -> Iterator[tuple[str, list[Part]]]:
    """Turns of alternating role, user or assistant: tool results are the user's, neighbours of one role become one.

    Anthropic and Bedrock refuse tool results that are spread over several messages (spec OB7, OA7).
    """
    role, parts = "", list[Part]()
    for message in messages:
        if message.role == "system":
            continue
        turn = "assistant" if message.role == "assistant" else "user"
        if turn != role:
            if parts:
                yield role, parts
            role, parts = turn, []
        parts.extend(message.parts)
    if parts:
        yield role, parts


def clean_call_id(call_id: str) -> str:
    """Anthropic and Bedrock accept only `[a-zA-Z0-9_-]{1,64}`; other vendors' ids are brought into that, always the
    same way.
    """
    if _CALL_ID.fullmatch(call_id):
        return call_id
    return _NOT_IN_CALL_ID.sub("_", call_id)[-64:] or "call"
