"""One accounted request."""

from typing import Literal

import msgspec

Outcome = Literal["ok", "hung_up", "cut", "error", "limited", "refused", "failed"]
"""What became of a request: answered; the client left before the end; the provider broke off midway; the provider
answered with an error; stopped by a limit; refused by the gateway; nobody could be reached."""

FAULTS: frozenset[Outcome] = frozenset({"cut", "error", "failed"})
"""Outcomes that somebody should look into: neither the client's doing nor the gateway's purpose."""


class UsageRow(msgspec.Struct, kw_only=True, gc=False):
    """One row of the table `usage`.

    `model` is what the client asked for, `sent_model` what the provider was asked for if that differs, and
    `answered_model` what the provider says it was. Token counts are None where there are none, such as for
    refused requests. `input_tokens` includes cached ones. With `estimated` some count was worked out from
    the size of the bodies. `key_hash` is the beginning of a SHA-256; the key itself is nowhere.
    """

    time: int
    request_id: str = ""
    route: str = ""
    rule: str = ""
    endpoint: str = ""
    backend: str = ""
    provider: str = ""
    format: str = ""
    model: str = ""
    sent_model: str = ""
    answered_model: str = ""
    key_hash: str = ""
    key_label: str = ""
    session: str = ""
    stream: bool = False
    status: int = 0
    outcome: Outcome = "ok"
    attempts: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cache_creation_tokens: int | None = None
    reasoning_tokens: int | None = None
    total_tokens: int | None = None
    estimated: bool = False
    costs: dict[str, int] | None = None
    ttft_ms: float | None = None
    duration_ms: float = 0.0
    request_bytes: int = 0
    response_bytes: int = 0
