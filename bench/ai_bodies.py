"""What clients send and providers answer in `ai.py`: about 1 KB in, 1 KB out, and streams of 100 chunks."""

import json
from typing import Any

CHUNKS = 100
_WORDS = "the quick brown fox jumps over the lazy dog and then comes back again "
_USAGE = {"prompt_tokens": 210, "completion_tokens": 180, "total_tokens": 390}


def _text(size: int) -> str:
    return (_WORDS * (size // len(_WORDS) + 1))[:size]


def chat_request(model: str, *, stream: bool) -> bytes:
    """A chat completion request of 1 KB."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": _text(850)},
        ],
        "max_tokens": 512,
        "temperature": 0.2,
    }
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body).encode()


def chat_answer() -> str:
    """OpenAI's answer of 1 KB."""
    choice = {"index": 0, "message": {"role": "assistant", "content": _text(650)}, "finish_reason": "stop"}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "gpt-4o-2024-08-06"}
    return json.dumps({**body, "choices": [choice], "usage": _USAGE})


def chat_stream() -> str:
    """OpenAI's stream."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-2024-08-06"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": "word "} for _ in range(CHUNKS - 3)]
    events: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    events.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({**head, "choices": [], "usage": _USAGE})
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def message_answer() -> str:
    """Anthropic's answer of 1 KB."""
    body = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
    content = [{"type": "text", "text": _text(650)}]
    usage = {"input_tokens": 210, "output_tokens": 180}
    return json.dumps({**body, "content": content, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})


def message_stream() -> str:
    """Anthropic's stream."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    message |= {"stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 210, "output_tokens": 1}}
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *([delta] * (CHUNKS - 5)),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": 180},
        },
        {"type": "message_stop"},
    ]
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
