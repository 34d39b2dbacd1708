"""The OpenAI embeddings request ("Create embeddings")."""

from typing import Any

import msgspec

from anygate.providers.chat.fields import Fields, kind_of
from anygate.providers.losses import Losses
from anygate.providers.refusal import bad_request, not_expressible


class EmbeddingRequest(msgspec.Struct, frozen=True):
    """Texts to embed; `task`, `title` and `truncate` are vendor extensions."""

    model: str
    texts: list[str]
    dimensions: int | None
    as_base64: bool
    task: str | None
    title: str | None
    truncate: bool | None


def read_request(body: dict[str, Any], losses: Losses) -> EmbeddingRequest:
    """Takes the decoded body apart."""
    fields = Fields(body, "")
    encoding = fields.text("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise bad_request("encoding_format", f"expected float or base64, got {encoding[:40]!r}")
    request = EmbeddingRequest(
        model=fields.text("model", required=True),
        texts=_read_texts(fields),
        dimensions=fields.integer("dimensions"),
        as_base64=encoding == "base64",
        task=fields.text("task_type") or fields.text("input_type"),
        title=fields.text("title"),
        truncate=fields.flag("auto_truncate"),
    )
    if fields.take("user") is not None:
        losses.add("user", "the target has no user field")
    fields.report_rest(losses)
    return request


def _read_texts(fields: Fields) -> list[str]:
    value = fields.take("input")
    if type(value) is str:
        return [value]
    if type(value) is not list or not value:
        raise bad_request("input", f"expected a string or an array of strings, got {kind_of(value)}")
    if all(type(item) is str for item in value):
        return value
    if all(type(item) is int or type(item) is list for item in value):
        raise not_expressible("input", "the target takes texts, not tokens")
    raise bad_request("input", "expected a string or an array of strings")
