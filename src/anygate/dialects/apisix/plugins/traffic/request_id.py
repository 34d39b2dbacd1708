"""request-id: an id for each request. https://apisix.apache.org/docs/apisix/plugins/request-id/"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from pydantic import Field

from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.manifests.fields import HeaderName
from anygate.model.request_id import RequestId
from anygate.model.route import HttpRule

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIGKLMNOPQRSTUVWXYZ0123456789"
_FORMS: dict[str, Any] = {"uuid": "uuid", "uuidv7": "uuid7", "nanoid": "nanoid", "ksuid": "ksuid", "range_id": "range"}


class RangeId(Config):
    """Letters that are drawn, and how many."""

    length: int = Field(default=16, ge=6)
    char_set: str = Field(default=_LETTERS, min_length=6)


class RequestIdConfig(Config):
    """Where the id stands, and what it looks like."""

    header_name: HeaderName = "X-Request-Id"
    include_in_response: bool = True
    algorithm: Literal["uuid", "nanoid", "range_id", "ksuid", "uuidv7"] = "uuid"
    range_id: RangeId = Field(default_factory=RangeId)


class RequestIdPlugin:
    """An id that clients bring stays."""

    name = "request-id"
    config = RequestIdConfig
    is_guard = False

    def apply(
        self, config: RequestIdConfig, rule: HttpRule, surroundings: Surroundings
    ) -> Sequence[HttpRule] | Refusal:
        """Put ids on the rule's requests."""
        form = _FORMS[config.algorithm]
        wanted = RequestId(
            origin=surroundings.origin,
            header=config.header_name,
            in_response=config.include_in_response,
            form=form,
        )
        if form == "range":
            drawn = config.range_id
            wanted = msgspec.structs.replace(wanted, letters=drawn.char_set, length=drawn.length)
        return [msgspec.structs.replace(rule, request_id=wanted)]
