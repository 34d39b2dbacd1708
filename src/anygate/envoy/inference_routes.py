"""The Envoy routes that AI rules bring with them, and what the routes of AI rules say about themselves.

A route's metadata tells the format of errors (`envoy/local_replies.py`), and to the filters of a provider's cluster,
which have no settings on routes, the endpoint that was asked for.
"""

from collections.abc import Iterable
from typing import Any

from anygate.envoy.access_log import rule_facts
from anygate.envoy.api import serialise, struct
from anygate.envoy.edits import build_header_fields, split_edit
from anygate.envoy.filters.decompression import NAMES as UNPACKING
from anygate.envoy.filters.filter import enable
from anygate.envoy.filters.model_reading import reading_entries
from anygate.envoy.local_replies import words_limits
from anygate.envoy.names import FACTS, LIMIT_WORDS
from anygate.envoy.texts import literal
from anygate.envoy.wire import part, text_entry
from anygate.model.edit import Respond
from anygate.model.inference import MODEL_HEADER
from anygate.model.inference_answers import CODES, PARAMS, error_format, refusal_text
from anygate.model.inference_rows import Role, refused_by
from anygate.model.limits import Expression, MetadataNumber
from anygate.model.route import Forward, HttpRule
from anygate.model.route_table import Row

LUA = "envoy.filters.http.lua"
"""The namespace of route metadata that Lua in a cluster's filters can read."""

MODEL_PLACE = f"%REQUEST_HEADER({MODEL_HEADER})%"
PATH_PLACE = "%PATH(NQ)%"


def build_answer(row: Row) -> dict[str, Any]:
    """Build the fields of a Route that answers an AI request by itself. An entrance does when nothing could be read."""
    respond = row.rule.action
    assert isinstance(respond, Respond)
    text = literal(respond.body)
    if row.role == "unknown":
        text = refusal_text("unknown", MODEL_PLACE, "")
    elif row.role == "unsupported":
        text = refusal_text("unsupported", "", PATH_PLACE)
    answer = {"status": respond.status, "body_format": {"text_format_source": {"inline_string": text}}}
    edit = split_edit(row.rule.response_headers).shown
    return {"direct_response": answer, **build_header_fields(edit, "response", row.rule.origin)}


def build_entrance(row: Row, optional: Iterable[str]) -> dict[str, Any]:
    """Build the settings by which an entrance turns on what reads the model, and all that may be wanted afterwards.

    `optional` names the entries that the rules behind it use. Each acts by what the final route says of it.
    """
    assert row.rule.inference is not None
    names = (*UNPACKING, *reading_entries(row.rule.inference.endpoint), *sorted(set(optional)))
    return {name: enable() for name in names}


def own_metadata(rule: HttpRule, role: Role = "") -> bytes:
    """What the metadata of an AI rule's route says in our own namespace, serialised."""
    if rule.inference is None:
        return b""
    found = text_entry("errors", error_format(rule.inference.endpoint))
    if words_limits(rule):
        found += text_entry(LIMIT_WORDS, "own")
    if isinstance(rule.action, Forward):
        found += serialise(struct({FACTS: rule_facts(rule.inference)}))
    for key, words in (("code", CODES), ("param", PARAMS)):
        word = words.get(refused_by(role)) if role else None
        found += text_entry(key, word) if word else b""
    return found


def lua_metadata(rule: HttpRule) -> bytes:
    """What the metadata of an AI rule's route says to the filters of clusters: one entry of `filter_metadata`."""
    if rule.inference is None:
        return b""
    told = struct({"endpoint": rule.inference.endpoint, "usage": wants_usage(rule)})
    return part(1, part(1, LUA.encode()) + part(2, serialise(told)))


def wants_usage(rule: HttpRule) -> bool:
    """Whether something depends on the tokens that answers cost, so that providers have to tell."""
    limits = rule.rate_limit.rules if rule.rate_limit else ()
    counted = any(isinstance(limit.response_cost, MetadataNumber | Expression) for limit in limits)
    return bool(rule.inference and rule.inference.costs) or counted
