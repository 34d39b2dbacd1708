"""Sizes, durations and rates as stack files write them."""

import re

from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.rules.attributes import DURATION, SIZE

_PART = re.compile(r"(\d{1,9})(h|m|s)")
_TIME = re.compile(r"(?:\d{1,9}[hms])+")
_RATE = re.compile(r"(?P<count>\d{1,9})/(?P<number>\d{0,9})(?P<unit>s|m|h|d)")
_SIZE = re.compile(r"(\d{1,12})(?:([kmg])i?)?b?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SCALES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}


def parse_seconds(value: object) -> int | None:
    """Whole seconds, of a number or of a duration such as `5s` or `1m30s`; None when it is neither, or less than 1."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value if value >= 1 else None
    text = value.strip() if isinstance(value, str) else ""
    if text.isascii() and text.isdecimal() and len(text) < 10:
        return int(text) or None
    if not _TIME.fullmatch(text):
        return None
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text)) or None


def read_seconds(entry: Entry) -> int | None:
    """Whole seconds of at least one."""
    found = parse_seconds(entry.value)
    if found is None:
        hint = "write whole seconds such as 30, or a duration such as 30s or 1m30s"
        entry.refuse(DURATION, "expected a duration of at least one whole second", hint=hint)
    return found


def parse_rate(text: str) -> tuple[int, int] | None:
    """The count and the seconds of `200/30s` or `10/1m`; without a number it is one of the unit."""
    found = _RATE.fullmatch(text.strip())
    if found is None:
        return None
    count, seconds = int(found["count"]), int(found["number"] or 1) * _SECONDS[found["unit"]]
    return (count, seconds) if count >= 1 and seconds >= 1 else None


def read_size(entry: Entry) -> int | None:
    """A number of bytes; `k`, `m` and `g` are powers of 1024, as nginx reads them, and `Ki`, `Mi`, `Gi` are too."""
    value = entry.value
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        hint = "write bytes such as 10485760, or 10m, 10Mi, 1g; 0 is no limit"
        entry.refuse(SIZE, "expected a size", hint=hint)
        return None
    return int(found[1]) * _SCALES[(found[2] or "").lower()]
