"""Backends that speak the client's format: only what the order asks for changes."""

import json

import pytest
from fake_egress import BLOCK, CHAT, END, START, STREAM, delta, texts

from anygate.providers.edits import BodyEdits
from anygate.providers.forms import read_form_model, rewrite_form
from anygate.providers.refusal import Refused

FORM = (
    b'--b1\r\nContent-Disposition: form-data; name="file"; filename="name=model.mp3"\r\n'
    b"Content-Type: audio/mpeg\r\n\r\n\x00\xff--b1x\r\n--b1\x00\r\n"
    b'--b1\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
    b'--b1\r\nContent-Disposition: form-data; name="language"\r\n\r\nde\r\n--b1--\r\n'
)
FORM_TYPE = {"content-type": "multipart/form-data; boundary=b1"}
DONE = b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


@pytest.mark.parametrize(
    ("edits", "body", "edited"),
    [
        ({"set_": [("a", "1")]}, b'{"b": 1.50}', b'{"b":1.50,"a":1}'),
        ({"set_": [("a", "x y")]}, b"{}", b'{"a":"x y"}'),
        ({"set_": [("a", '"quoted"')]}, b"{}", b'{"a":"quoted"}'),
        ({"set_": [("a", "[1, {}]")]}, b'{"a":0}', b'{"a":[1, {}]}'),
        ({"set_": [("a.b.c", "true")]}, b'{"a":{"x":12345678901234567890123}}', None),
        ({"set_": [("a.1.b", "null")]}, b'{"a":[{"k":1.0},{"k":2}]}', b'{"a":[{"k":1.0},{"k":2,"b":null}]}'),
        ({"set_": [("a.-1", "9")]}, b'{"a":[1]}', b'{"a":[1,9]}'),
        ({"set_": [("a.2", "9")]}, b'{"a":[]}', b'{"a":[null,null,9]}'),
        ({"set_": [("a.1", "9")]}, b"{}", b'{"a":[null,9]}'),
        ({"set_": [("a.:1", "9")]}, b"{}", b'{"a":{"1":9}}'),
        ({"set_": [("a\\.b", "9")]}, b"{}", b'{"a.b":9}'),
        (
            {"remove": ["a.b", "c", "d.0", "nothing.here"]},
            b'{"a":{"b":1,"k":2},"c":3,"d":[1,2]}',
            b'{"a":{"k":2},"d":[2]}',
        ),
        ({"remove": ["a"], "set_": [("a", "2")]}, b'{"a":1}', b'{"a":2}'),
    ],
)
def test_edits(edits, body, edited):
    if edited is None:
        edited = b'{"a":{"x":12345678901234567890123,"b":{"c":true}}}'
    assert BodyEdits(**edits).apply(body) == edited


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"a":' * 5000])
def test_edits_of_what_is_no_object_are_refused(body):
    with pytest.raises(Refused):
        BodyEdits([("a", "1")]).apply(body)


def test_only_the_models_part_of_a_form_changes():
    assert read_form_model(FORM, FORM_TYPE["content-type"]) == "whisper-1"
    written = rewrite_form(FORM, FORM_TYPE["content-type"], "other")
    assert written == FORM.replace(b"\r\n\r\nwhisper-1\r\n", b"\r\n\r\nother\r\n")
    without = FORM.replace(b'name="model"', b'name="n"')
    assert (
        read_form_model(rewrite_form(without, 'multipart/form-data; boundary="b1"', "m"), FORM_TYPE["content-type"])
        == "m"
    )


@pytest.mark.parametrize("cut", range(0, len(FORM) - 4, 7))
def test_broken_forms_are_refused(cut):
    with pytest.raises(Refused):
        rewrite_form(FORM[:cut], FORM_TYPE["content-type"], "m")


def test_a_form_reaches_the_backend_with_its_model(adapter, egress):
    egress.script = lambda asked: asked.answer(b'{"text":"hallo"}')
    answer = adapter.ask(FORM, "transcription", "OpenAI", FORM_TYPE, model="big", set=[["a", "1"]])
    assert (answer.status, answer.read()) == (200, b'{"text":"hallo"}')
    assert "edits" in answer.headers["x-anygate-losses"]
    asked = egress.asked.get(timeout=5)
    assert (asked.line, asked.headers["content-type"]) == (
        "POST /v1/audio/transcriptions HTTP/1.1",
        FORM_TYPE["content-type"],
    )
    assert asked.body == FORM.replace(b"whisper-1", b"big")
    broken = adapter.ask(FORM[:-60], "transcription", "OpenAI", FORM_TYPE, model="big")
    assert (broken.status, "form" in json.loads(broken.read())["error"]["message"]) == (400, True)


def test_azure_names_the_deployment_of_a_form(adapter, egress):
    egress.script = lambda asked: asked.answer(b"{}")
    adapter.ask(FORM, "transcription", "AzureOpenAI", FORM_TYPE, version="2025-01-01").read()
    asked = egress.asked.get(timeout=5)
    assert asked.line == "POST /openai/deployments/whisper-1/audio/transcriptions?api-version=2025-01-01 HTTP/1.1"
    refused = adapter.ask(b'{"model":"m"}', "speech", "Anthropic")
    assert refused.status == 422


def test_edits_and_model_of_the_same_format_leave_all_else_as_it_is(adapter, egress):
    body = b'{ "model" : "m", "big": 12345678901234567890123, "x": 1.0, "temperature": 2 }'
    egress.script = lambda asked: asked.answer(b'{ "odd" : 1.0 }', extra="x-vendor: v\r\n")
    answer = adapter.ask(body, "chat", "OpenAI", {"openai-beta": "b"}, model="n", set=[["user", "me"]], remove=["x"])
    assert (answer.read(), answer.headers["x-vendor"]) == (b'{ "odd" : 1.0 }', "v")
    asked = egress.asked.get(timeout=5)
    assert asked.body == b'{"model":"n","big":12345678901234567890123,"temperature":2,"user":"me"}'
    assert asked.headers["openai-beta"] == "b"


def test_edits_come_after_a_conversion(adapter, egress):
    egress.script = lambda asked: asked.answer(b"{}", 500)
    adapter.ask(CHAT, set=[["metadata.user_id", "u1"]], remove=["max_tokens"]).read()
    sent = json.loads(egress.asked.get(timeout=5).body)
    assert (sent["metadata"], "max_tokens" in sent) == ({"user_id": "u1"}, False)


@pytest.mark.parametrize(("counted", "asks"), [("", False), (" false", False), (" -", False), (" true", True)])
@pytest.mark.parametrize("endpoint", ["chat", "completions", "responses"])
def test_streams_are_asked_for_their_usage_where_it_counts(adapter, egress, endpoint, counted, asks):
    body = b'{"model": "m", "stream": true, "n": 12345678901234567890123}'
    egress.script = lambda asked: asked.stream(DONE)
    adapter.ask(body, f"{endpoint}{counted}", "OpenAI", set=[["a", "1"]]).read()
    sent = egress.asked.get(timeout=5).body
    assert b"12345678901234567890123" in sent
    assert (b'"stream_options":{"include_usage":true}' in sent) is (asks and endpoint != "responses")
    # Who does not stream is told anyway.
    egress.script = lambda asked: asked.answer(b"{}")
    adapter.ask(body.replace(b"true", b"false"), f"{endpoint}{counted}", "OpenAI", set=[["a", "1"]]).read()
    assert b"stream_options" not in egress.asked.get(timeout=5).body


@pytest.mark.parametrize(("counted", "told"), [("", False), (" true", True)])
def test_converted_streams_tell_their_usage_where_it_counts(adapter, egress, counted, told):
    egress.script = lambda asked: asked.stream(START + BLOCK, delta("one"), END)
    seen = adapter.ask(STREAM, f"chat{counted}").read()
    assert texts(seen) == "one"
    assert (b'"total_tokens"' in seen) is told


def test_a_stream_of_the_same_format_is_not_touched(adapter, egress):
    odd = b": comment\r\ndata:{no json\r\n\r\n"
    egress.script = lambda asked: asked.stream(odd, DONE)
    assert adapter.ask(STREAM, "chat", "OpenAI", set=[["a", "1"]]).read() == odd + DONE


def test_a_passing_stream_that_dies_between_events_ends_in_the_clients_format(adapter, egress):
    def script(asked):
        asked.stream(b'data: {"a":1}\n\n', end=False)
        asked.cut()

    egress.script = script
    seen = adapter.ask(STREAM, "chat", "OpenAI", set=[["a", "1"]]).read()
    assert seen.startswith(b'data: {"a":1}\n\ndata: {"type":"error"')
    assert seen.endswith(b"data: [DONE]\n\n")


def test_a_passing_stream_that_dies_within_an_event_breaks_off(adapter, egress):
    import http.client

    def script(asked):
        asked.stream(b'data: {"a":1}\n\ndata: {"b', end=False)
        asked.cut()

    egress.script = script
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        adapter.ask(STREAM, "chat", "OpenAI", set=[["a", "1"]]).read()
