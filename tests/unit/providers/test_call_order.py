"""Parallel tool calls reach the client one after the other, whatever the order of their deltas."""

import itertools
import json

from hypothesis import given
from hypothesis import strategies as st

from anygate.providers.anthropic.write_stream import MessageStreamWriter
from anygate.providers.chat.call_order import CallOrder, JsonEnd
from anygate.providers.framing import SseDecoder
from anygate.providers.losses import Losses
from anygate.providers.usage import Usage

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(alphabet='ab"\\{}[] ', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='a"\\}', max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


def cut(text, places):
    ends = sorted(place % (len(text) + 1) for place in places)
    return [text[a:b] for a, b in itertools.pairwise([0, *ends, len(text)])]


@given(OBJECTS, st.lists(st.integers(0, 200), max_size=8))
def test_an_object_ends_with_its_last_brace(value, places):
    text = json.dumps(value)
    end = JsonEnd()
    for piece in cut(text[:-1], places):
        end.feed(piece)
    assert not end.is_whole
    end.feed(text[-1])
    assert end.is_whole


@given(st.lists(OBJECTS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_interleaved_calls_come_in_order(values, dice):
    waiting = {}
    for slot, value in enumerate(values):
        waiting[slot] = [None, *cut(json.dumps(value), [dice.randrange(99) for _ in range(3)])]
    writer, losses = MessageStreamWriter(Usage()), Losses()
    order = CallOrder(writer, 0, losses)
    begun = -1
    while waiting:
        slot = dice.choice([slot for slot in waiting if slot <= begun + 1])
        piece = waiting[slot].pop(0)
        if piece is None:
            begun = slot
            order.start(slot, f"c{slot}", f"f{slot}")
        elif piece:
            order.add(slot, piece)
        if not waiting[slot]:
            del waiting[slot]
    order.flush()
    writer.finish()
    blocks = read_blocks(writer.take())
    assert [(name, json.loads(text)) for name, text in blocks] == [(f"f{at}", value) for at, value in enumerate(values)]
    assert not losses.listed()


def read_blocks(stream):
    blocks, open_block = [], None
    for _, payload in SseDecoder().feed(stream):
        event = json.loads(payload)
        if event["type"] == "content_block_start":
            assert open_block is None
            open_block = event["index"]
            blocks.append([event["content_block"]["name"], ""])
        elif event["type"] == "content_block_delta":
            assert event["index"] == open_block
            blocks[-1][1] += event["delta"]["partial_json"]
        elif event["type"] == "content_block_stop":
            open_block = None
    return blocks
