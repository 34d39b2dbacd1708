"""What the clouds that host Claude want in the body of a messages request, and what a newer version takes away."""

from typing import Any

import msgspec

from anygate.providers.chat.abilities import REMOVED_SAMPLING, takes_sampling
from anygate.providers.formats import BackendFormat
from anygate.providers.json_text import parse_request, render
from anygate.providers.losses import Losses
from anygate.providers.setting import Setting

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_VERSIONS = {BackendFormat.AWS_ANTHROPIC: "bedrock-2023-05-31", BackendFormat.GCP_ANTHROPIC: "vertex-2023-10-16"}
# The beta flags that Bedrock takes in `anthropic_beta`; it refuses a request with any other.
AWS_BETAS = frozenset(
    {
        *("compact-2026-01-12", "computer-use-2024-10-22", "computer-use-2025-01-24", "computer-use-2025-11-24"),
        *("context-1m-2025-08-07", "context-management-2025-06-27", "dev-full-thinking-2025-05-14"),
        *("effort-2025-11-24", "fine-grained-tool-streaming-2025-05-14", "interleaved-thinking-2025-05-14"),
        *("output-128k-2025-02-19", "token-efficient-tools-2025-02-19", "tool-examples-2025-10-29"),
        "tool-search-tool-2025-10-19",
    }
)
_BETA_ALIASES = {"advanced-tool-use-2025-11-20": "tool-search-tool-2025-10-19"}


def wrap_body(setting: Setting, body: bytes) -> bytes:
    """Without the model (and on AWS the stream flag), with `anthropic_version` and on AWS the beta flags."""
    values = parse_request(body)
    fields = _RAW.decode(body)
    kind = setting.backend.format
    fields.pop("model", None)
    version = setting.backend.version
    if version or "anthropic_version" not in fields:
        fields["anthropic_version"] = msgspec.Raw(render(version or _VERSIONS[kind]))
    if version and not takes_sampling(version):
        _modernise(values, fields, version, setting.losses)
    if kind is BackendFormat.AWS_ANTHROPIC:
        fields.pop("stream", None)
        flags = _choose_betas(setting)
        if flags:
            fields["anthropic_beta"] = msgspec.Raw(render(flags))
    return render(fields)


def _choose_betas(setting: Setting) -> list[str]:
    chosen: dict[str, None] = {}
    for flag in setting.headers.get("anthropic-beta", "").split(","):
        name = flag.strip()
        target = _BETA_ALIASES.get(name, name)
        if target in AWS_BETAS:
            chosen[target] = None
        elif name:
            setting.losses.add("anthropic-beta", f"Bedrock does not take the flag {name[:80]}")
    return list(chosen)


def beta_headers(setting: Setting) -> list[tuple[str, str]]:
    """The client's beta flags, which Anthropic and Vertex take in the header; Bedrock has them in the body."""
    flags = setting.headers.get("anthropic-beta")
    if not flags or setting.backend.format is BackendFormat.AWS_ANTHROPIC:
        return []
    return [("anthropic-beta", flags)]


def _modernise(values: dict[str, Any], fields: dict[str, msgspec.Raw], version: str, losses: Losses) -> None:
    """A client may still speak an older version than the backend is configured for (Anthropic, "Versions")."""
    for name in REMOVED_SAMPLING:
        if fields.pop(name, None) is not None and values.get(name) is not None:
            losses.add(name, f"version {version} of Anthropic's API does not take it")
    messages = values.get("messages")
    if type(messages) is list and _drop_citations(messages, version, losses):
        fields["messages"] = msgspec.Raw(render(messages))


def _drop_citations(messages: list[Any], version: str, losses: Losses) -> bool:
    """Takes the citations off what the user says; returns whether there were any."""
    found = False
    for at, message in enumerate(messages):
        blocks = message.get("content") if type(message) is dict and message.get("role") == "user" else None
        for place, block in enumerate(blocks if type(blocks) is list else ()):
            if type(block) is not dict:
                continue
            inner = block.get("content") if block.get("type") == "search_result" else [block]
            for text in inner if type(inner) is list else ():
                if type(text) is dict and text.get("type") == "text" and text.pop("citations", None):
                    found = True
                    losses.add(
                        f"messages[{at}].content[{place}].citations",
                        f"version {version} of Anthropic's API refuses them",
                    )
    return found
