"""The short way for text: what stands around the text of a stream's deltas is the same in all of them.

A provider streams hundreds of events that differ in one JSON string only. Once a reader has said what one of them
means, the bytes around its string are a frame, and an event in the same frame means the same: its string can go into
the client's events as it came, without decoding either. Whatever does not fit goes the long way, event by event.
"""

import re

from anygate.providers.chat.reader import StreamReader
from anygate.providers.framing import read_block
from anygate.providers.json_text import render

# A JSON string that an encoder would write in the same bytes: not empty, no escapes but the short ones. The quantifiers
# are possessive, so that nothing is tried twice.
_SAME = rb'"(?:[^"\\\x00-\x1f\x7f]++|\\["\\bfnrt])++"'
_PROBE = "a text of the gateway's own"
_STRINGS = re.compile(rb"(?:" + _SAME + rb"\n)*+")
_STRING = re.compile(_SAME)


class TextFrame:
    """The bytes before and after the string, as they stand in a block of the stream."""

    __slots__ = ("after", "before", "end", "head", "tail")

    def __init__(self, before: bytes, after: bytes) -> None:
        self.before = before
        self.after = after
        self.end = after + b"\n\n"
        self.head = len(before)
        self.tail = len(self.end)

    def cut_run(self, blocks: bytes, at: int) -> tuple[list[bytes], int]:
        """The strings of the blocks in this frame from `at` on, as far as they follow each other, and where they end.

        Nothing at all is found where one of them is no plain string.
        """
        before = self.before
        run = []
        pieces = blocks[at:].split(self.end)
        pieces.pop()
        for piece in pieces:
            if not piece.startswith(before):
                break
            run.append(piece[self.head :])
        if not run or not are_strings(run):
            return [], at
        return run, at + sum(map(len, run)) + len(run) * (self.head + self.tail)

    def cut_string(self, block: bytes) -> bytes | None:
        """The string of one block."""
        if not block.startswith(self.before) or not block.endswith(self.after):
            return None
        literal = block[self.head : len(block) - len(self.after)]
        return literal if is_string(literal) else None


NO_FRAME = TextFrame(b"\r", b"\r")
"""Fits no block, since the line ends of all are LF."""


def learn_frame(reader: StreamReader, block: bytes) -> TextFrame | None:
    """The frame of a block that is nothing but text, or None.

    The reader reads a text of ours in the same frame for proof that the string found is the one that holds the text.
    """
    event = read_block(block)
    text = reader.read_plain(event[1]) if event is not None else None
    if event is None or text is None or not block.endswith(event[1]):
        return None
    literal = render(text)
    place = block.find(literal, len(block) - len(event[1]))
    if place < 0:
        return None
    frame = TextFrame(block[:place], block[place + len(literal) :])
    probe = read_block(frame.before + render(_PROBE) + frame.after)
    return frame if probe is not None and probe[0] == event[0] and reader.read_plain(probe[1]) == _PROBE else None


def is_string(literal: bytes) -> bool:
    """Whether it is one JSON string, written as an encoder would."""
    return _STRING.fullmatch(literal) is not None and (literal.isascii() or _is_utf8(literal))


def are_strings(literals: list[bytes]) -> bool:
    """Whether each is one."""
    # No string holds a line break, so none can hide between two of them.
    lines = b"\n".join(literals) + b"\n"
    return _STRINGS.fullmatch(lines) is not None and (lines.isascii() or _is_utf8(lines))


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True
