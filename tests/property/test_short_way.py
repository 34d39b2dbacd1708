"""The short way for text gives the client the same bytes as the long way, whatever the events and the chunks."""

import itertools
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anygate.providers import Backend, BackendFormat, ClientFormat
from anygate.providers.chat_conversion import ChatConversion
from anygate.providers.chat_pipe import ChatPipe, SsePipe
from anygate.providers.setting import Setting

FACTOR = int(os.environ.get("ANYGATE_FUZZ", "1"))
TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        *("plain", " words", '"', "\\", '\\"', "}}", '"}}\n\n', "\n", "\r\n", "\x7f", "\x00", "é🙂", "\u2028", "/"),
        *(',"obfuscation":"x"}', ' "content": "a"', "gpt", "m", "text_delta", "data: x", " }", "\ud800"),
    ]
)
STYLES = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (",", ":"), "ensure_ascii": False},
        {},
        {"ensure_ascii": False},
        {"indent": 1},
    ]
)
ENDS = st.sampled_from(["\n\n"] * 6 + ["\r\n\r\n", "\n\n\n", "\r\r", '\n\n\n\n"a"\n\n\n\n', '\n\n\r"a"\r\n\n'])


def render(event, style, name=""):
    try:
        payload = json.dumps(event, **style)
        payload.encode()
    except UnicodeEncodeError:
        payload = json.dumps(event)
    lines = "".join(f"data: {line}\n" for line in payload.split("\n"))
    return (f"event: {name}\n" if name else "") + lines[:-1]


def anthropic_event(draw, text, style):
    delta = {"type": "text_delta", "text": text}
    kinds = {
        "plain": ("content_block_delta", {"index": 0, "delta": delta}),
        "index": ("content_block_delta", {"index": 3, "delta": delta}),
        "extra": ("content_block_delta", {"index": 0, "delta": {**delta, "signature": text}}),
        "thinking": ("content_block_delta", {"index": 0, "delta": {"type": "thinking_delta", "thinking": text}}),
        "arguments": ("content_block_delta", {"index": 1, "delta": {"type": "input_json_delta", "partial_json": text}}),
        "tool": ("content_block_start", {"index": 1, "content_block": {"type": "tool_use", "id": "t", "name": text}}),
        "ping": ("ping", {}),
        "usage": ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}),
        "start": ("message_start", {"message": {"id": "m", "model": "gpt", "usage": {"input_tokens": 2}}}),
        "stop": ("message_stop", {}),
    }
    kind = draw(st.sampled_from(["plain"] * 30 + list(kinds)))
    name, fields = kinds[kind]
    block = render({"type": name, **fields}, style, name)
    spaces = draw(st.sampled_from(["", "", "  ", "      "]))
    return block[:-1] + spaces + "}"


def openai_event(draw, text, style):
    call = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    deltas = {
        "plain": {"content": text},
        "role": {"role": "assistant", "content": ""},
        "thought": {"reasoning_content": text},
        "both": {"content": text, "refusal": text},
        "tool": {"tool_calls": [call]},
        "arguments": {"tool_calls": [{"index": 0, "function": {"arguments": text}}]},
        "nothing": {},
    }
    kind = draw(st.sampled_from(["plain"] * 40 + list(deltas) + ["stop", "second", "usage", "done", "error"]))
    if kind == "done":
        return "data: [DONE]"
    choice = {"index": 0, "delta": deltas.get(kind, {"content": text}), "logprobs": None, "finish_reason": None}
    if kind == "stop":
        choice["finish_reason"] = "stop"
    event = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [choice]}
    if kind == "second":
        event["choices"].append({**choice, "index": 1})
    elif kind == "usage":
        event["usage"] = {"prompt_tokens": 1}
    elif kind == "error":
        event["error"] = {"message": text}
    if draw(st.booleans()):
        event["obfuscation"] = draw(st.sampled_from(["", "ab", "xyz12", "a b", text]))
    return render(event, style)


def cohere_event(draw, text, style):
    content = {"message": {"content": {"text": text}}}
    kinds = {
        "content-delta": {"index": 0, "delta": content},
        "tool-plan-delta": {"delta": {"message": {"tool_plan": text}}},
        "message-start": {"id": "i", "delta": {"message": {"role": "assistant"}}},
        "citation-start": {"index": 0, "delta": {"message": {"citations": {"text": text}}}},
        "message-end": {"delta": {"finish_reason": "COMPLETE"}},
    }
    kind = draw(st.sampled_from(["content-delta"] * 30 + list(kinds)))
    return render({"type": kind, **kinds[kind]}, style, kind)


FORMATS = {
    BackendFormat.ANTHROPIC: anthropic_event,
    BackendFormat.OPENAI: openai_event,
    BackendFormat.COHERE: cohere_event,
}


@st.composite
def streams(draw, write):
    """Events in one style, mostly text, now and then with broken bytes, cut anywhere."""
    style = draw(STYLES)
    count = draw(st.integers(1, 14))
    body = "".join(write(draw, draw(TEXTS), style) + draw(ENDS) for _ in range(count)).encode("utf-8", "replace")
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(body)))
        foreign = draw(st.sampled_from([b"\xff", b'"', b"\\", b"\n", b"}", b"\xed\xa0\x80", b""]))
        body = body[:at] + foreign + body[at + 1 :]
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=6)))
    return [body[a:b] for a, b in itertools.pairwise([0, *cuts, len(body)])]


def run(pipe_type, client, backend, chunks):
    counter = itertools.count(1)
    setting = Setting(client, Backend(format=backend), {}, 5, lambda prefix: f"{prefix}{next(counter)}")
    conversion = ChatConversion(setting)
    pipe = pipe_type(setting, conversion._backend, conversion._open_writer())
    out = b"".join([pipe.feed(chunk) for chunk in chunks]) + pipe.finish()
    return out, setting.model, setting.usage, setting.losses.listed()


@pytest.mark.parametrize("client", [ClientFormat.CHAT, ClientFormat.MESSAGES, ClientFormat.RESPONSES])
@pytest.mark.parametrize("backend", FORMATS)
@settings(max_examples=150 * FACTOR, deadline=None)
@given(data=st.data())
def test_same_bytes(client, backend, data):
    chunks = data.draw(streams(FORMATS[backend]))
    assert run(SsePipe, client, backend, chunks) == run(ChatPipe, client, backend, chunks)
