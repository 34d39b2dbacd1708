"""TokenPolicy: how many tokens and requests clients may use in a time."""

from typing import ClassVar

from pydantic import Field

from anygate.dialects.nantian.kinds.values import GROUP, TargetReference
from anygate.manifests.kind import Kind, Many, Node


class TokenPolicySpec(Node):
    """The limits, where 0 is none; for whom they are counted apart, and what happens to those who reach them.

    `scope`, `on_limit` and `failure_mode` are words that `tokens.py` knows. `reserve` and `failure_mode` are anygate's
    own.
    """

    target_refs: Many[TargetReference] = ()
    tokens_per_minute: int = Field(0, ge=0, lt=2**32)
    tokens_per_hour: int = Field(0, ge=0, lt=2**32)
    requests_per_minute: int = Field(0, ge=0, lt=2**32)
    scope: str = "apiKey"
    burst: float = Field(1.0, le=100, allow_inf_nan=False)
    on_limit: str = "reject"
    reserve: bool = False
    failure_mode: str = "allow"


class TokenPolicy(Kind):
    """Limits for what clients use of models."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "TokenPolicy"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: TokenPolicySpec
