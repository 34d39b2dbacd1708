"""The list of models: https://platform.openai.com/docs/api-reference/models."""

from urllib.parse import unquote

from anygate.stubs.providers.openai.chat import CREATED, refuse_unknown_model
from anygate.stubs.providers.outcome import Json, Outcome, build_json

_MODELS = ("gpt-4o", "gpt-4o-mini", "gpt-5", "o3", "text-embedding-3-small", "whisper-1", "tts-1", "gpt-image-1")


def list_models() -> Outcome:
    """Answer `/models`."""
    return build_json({"object": "list", "data": [_build_model(name) for name in _MODELS]})


def show_model(name: str) -> Outcome:
    """Answer `/models/{name}`: every model exists but those whose name begins with `no-such-`."""
    name = unquote(name)
    refuse_unknown_model(name)
    return build_json(_build_model(name))


def _build_model(name: str) -> Json:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "system"}
