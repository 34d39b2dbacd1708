"""How many tokens an answer cost, counted from what the provider says as the answer passes."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.filters.script import json_script, script_entry, script_settings
from anygate.envoy.names import COUNTS, USED
from anygate.envoy.usage_places import CHAT
from anygate.model.inference import ModelEndpoint
from anygate.model.limits import Expression
from anygate.model.listener import Server
from anygate.model.route import Forward, HttpRule

NAME = "anygate/usage"
CHAT_NAME = "anygate/usage/chat"
_PACKAGE = "envoy.extensions.filters.http.ai_protocol_manager.v3"

PROTOCOLS: Mapping[ModelEndpoint, str] = MappingProxyType(
    {
        "chat": "OPENAI_CHAT_COMPLETIONS",
        "completions": "OPENAI_CHAT_COMPLETIONS",
        "embeddings": "OPENAI_CHAT_COMPLETIONS",
        "responses": "OPENAI_RESPONSES",
        "images": "OPENAI_RESPONSES",
        "image_edits": "OPENAI_RESPONSES",
        "messages": "ANTHROPIC_MESSAGES",
    }
)
"""How usage is written in the answers of an endpoint, as far as Envoy can read it."""


class UsageFilter:
    """Two entries that look for usage in answers, in the format of the client, as routes name it.

    ai_protocol_manager has only `response_handling.token_usage`, which leaves answers byte for byte as they are: with a
    filter of its own or `request_handling` it would parse and write anew what passes. The counts stand in the typed
    metadata `envoy.ai.token_usage`, and nothing does when the client hangs up first.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/ai_protocol_manager_filter

    Tried on Envoy 1.40: it knows events that cannot say anything by their names, but the chunks of a chat have none, so
    it parses each, at 2.5 us; sse_to_metadata does too. So for streams of chats there is a script, which looks for a
    word in whatever Envoy has read from the provider at once, and parses only the chunk that has it: 0.3 us for each of
    a hundred chunks. What it finds is untyped metadata, which is there as soon as it has passed. A rule's route names
    both, and each of the rows that the rule is split into takes one back (`envoy/inference_variants.py`).
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entries where a rule is one of AI requests."""
        del server
        inference = any(rule.inference for rule in rules)
        if not inference and not any(map(counts_plain_answers, rules)):
            return []
        config = build(f"{_PACKAGE}.AiProtocolManager", response_handling={"token_usage": {}})
        found = [ChainEntry(NAME, config, True, True), script_entry(CHAT_NAME, usage_script())]
        return found if inference else found[1:]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Name the format in which the answers to a rule's requests say what they cost."""
        del scope
        if counts_plain_answers(rule):
            return {CHAT_NAME: script_settings({})}
        protocol = PROTOCOLS.get(rule.inference.endpoint) if rule.inference else None
        if rule.inference is None or protocol is None or not isinstance(rule.action, Forward):
            return {}
        found = {NAME: build(f"{_PACKAGE}.AiProtocolManagerPerRoute", response={"llm_protocol": protocol})}
        if rule.inference.endpoint in CHAT:
            found[CHAT_NAME] = script_settings({})
        return found


def counts_plain_answers(rule: HttpRule) -> bool:
    """Whether a limit counts the tokens of a rule's answers, and nobody knows which of them are a model's: those in
    OpenAI's chat format are read."""
    limits = rule.rate_limit.rules if rule.rate_limit else ()
    counted = any(isinstance(limit.response_cost, Expression) for limit in limits)
    return counted and rule.inference is None and isinstance(rule.action, Forward)


def usage_script() -> str:
    """The whole text of the script."""
    return json_script("usage.lua", NAMESPACE=USED, KEY=COUNTS)
