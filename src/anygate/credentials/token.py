"""What is fetched: tokens, and temporary keys of AWS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anygate.credentials.problem import FetchProblem
from anygate.manifests.sensitive import Sensitive

LONGEST_LIFE = 24 * 3600.0
"""However long a credential is good for, it is renewed once a day."""

_TOKEN = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True)
class Token:
    """A bearer token that is good for `life` seconds from the time it was asked for."""

    value: Sensitive
    life: float


@dataclass(frozen=True)
class AwsKeys:
    """Temporary keys that are good for `life` seconds from the time they were asked for."""

    key_id: str
    secret: Sensitive
    session: Sensitive
    life: float


Credential = Token | AwsKeys


def read_token(found: Mapping[str, Any]) -> Token:
    """Read the answer of an OAuth token endpoint (RFC 6749, section 5.1); raises FetchProblem."""
    kind = found.get("token_type", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise FetchProblem("the token is not a bearer token")
    return Token(Sensitive(read_text(found, "access_token").encode()), read_life(found.get("expires_in")))


def read_text(found: Mapping[str, Any], key: str) -> str:
    """A token or key out of an answer: one word of ASCII, since it becomes part of a header or of a file's line."""
    value = found.get(key)
    if not isinstance(value, str) or not value:
        raise FetchProblem(f"the answer has no {key}")
    if not _TOKEN.fullmatch(value):
        raise FetchProblem(f"{key} in the answer has characters that no token has")
    return value


def read_life(seconds: object) -> float:
    """Read `expires_in`, which some services write as a string; raises FetchProblem."""
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 20:
        seconds = int(seconds)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise FetchProblem("the answer does not say how long the token is good for (expires_in)")
    return limit_life(seconds)


def read_expiry(text: object, now: float) -> float:
    """The seconds from `now` until a time in RFC 3339; raises FetchProblem."""
    try:
        at = datetime.fromisoformat(str(text))
        left = at.timestamp() - now
    except (ValueError, OverflowError):
        raise FetchProblem("the answer does not say when the credential expires") from None
    if at.tzinfo is None:
        raise FetchProblem("the answer does not say when the credential expires")
    return limit_life(left)


def limit_life(seconds: float) -> float:
    """Refuse what is no longer good, and bound what is good for very long."""
    # Written so that it is also true of what is no number (NaN).
    if not seconds > 0:
        raise FetchProblem("the credential has already expired; is the clock of this machine right?")
    return float(min(seconds, LONGEST_LIFE))
