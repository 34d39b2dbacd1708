"""Every canonical field is carried by every writer, or named in its NOT_CARRIED table with a sentence."""

import pytest

from anygate.providers.anthropic import write_request as anthropic
from anygate.providers.bedrock import write_request as bedrock
from anygate.providers.chat import ChatRequest
from anygate.providers.cohere import write_request as cohere
from anygate.providers.gemini import write_request as gemini
from anygate.providers.openai_chat import write_request as openai


@pytest.mark.parametrize("writer", [anthropic, bedrock, cohere, gemini, openai], ids=lambda module: module.__name__)
def test_every_field(writer):
    fields = set(ChatRequest.__struct_fields__)
    assert writer.CARRIED | set(writer.NOT_CARRIED) == fields
    assert not writer.CARRIED & set(writer.NOT_CARRIED)
