"""Real requests and answers with one thing wrong: every case, cut, corrupted, or with a foreign value somewhere
inside.
"""

import json
import random

import pytest
from wire_case import CONTENT_TYPES, HERE, find_answer, find_cases, open_exchange

from anygate.providers import Refusal

FOREIGN = [
    None,
    True,
    0,
    -1.5,
    10**30,
    "",
    "x",
    "\u0000",
    [],
    {},
    [None],
    [[]],
    {"type": "text"},
    {"a": {"b": []}},
    "data:x",
]
CASES = [folder for folder in find_cases() if find_answer(folder)]


def replace_one(value, chance: random.Random):
    """The same value with one node exchanged, dropped or doubled."""
    places = []

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(value)
    node, key = chance.choice(places)
    if isinstance(node, dict) and chance.random() < 0.2:
        del node[key]
    else:
        node[key] = chance.choice(FOREIGN)
    return value


@pytest.mark.parametrize("folder", CASES, ids=lambda path: str(path.relative_to(HERE)))
def test_requests_with_one_wrong_node(folder):
    chance = random.Random(folder.as_posix())
    text = (folder / "request.json").read_text()
    for _ in range(40):
        body = json.dumps(replace_one(json.loads(text), chance)).encode()
        made = open_exchange(folder).convert_request(body)
        json.loads(made.body)
        if isinstance(made, Refusal):
            assert made.status in (400, 422)


@pytest.mark.parametrize("folder", CASES, ids=lambda path: str(path.relative_to(HERE)))
def test_broken_answers(folder):
    chance = random.Random(folder.as_posix())
    answer = find_answer(folder)
    whole = answer.read_bytes()
    for _ in range(40):
        body = bytearray(whole)
        if answer.suffix == ".json" and folder.name != "unreadable_answer" and chance.random() < 0.7:
            body = bytearray(json.dumps(replace_one(json.loads(whole), chance)).encode())
        elif answer.suffix == ".sse" and chance.random() < 0.7:
            body = bytearray(break_event(whole, chance))
        elif chance.random() < 0.5:
            body[chance.randrange(len(body))] = chance.randrange(256)
        else:
            del body[chance.randrange(len(body)) :]
        exchange = open_exchange(folder)
        exchange.convert_request((folder / "request.json").read_bytes())
        exchange.start_response(200, [("content-type", CONTENT_TYPES[answer.suffix])])
        written = exchange.feed(bytes(body)) + exchange.finish()
        if not exchange.buffered and type(exchange._pipe).__name__ != "RelayPipe":
            assert written.endswith(b"\n\n")


def break_event(text: bytes, chance: random.Random) -> bytes:
    events = text.replace(b"\r\n", b"\n").split(b"\n\n")
    at = chance.randrange(len(events))
    head, mark, payload = events[at].partition(b"data: ")
    if payload.startswith(b"{"):
        payload = json.dumps(replace_one(json.loads(payload), chance)).encode()
    events[at] = head + mark + payload
    return b"\n\n".join(events)
