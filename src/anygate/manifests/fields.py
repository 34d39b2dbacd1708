"""Types of fields that many kinds share. Each says what it expects when a value does not fit."""

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, PlainValidator, Strict
from pydantic_core import PydanticCustomError

from anygate.manifests.sensitive import Sensitive

_T = TypeVar("_T")

Many = Annotated[tuple[_T, ...], Strict(False)]
"""A YAML list, kept as a tuple. Its items are as strict as everything else."""

Ignored = Annotated[Any, "accepted, but nothing reads it"]
"""A field that exists in Kubernetes and does not shape traffic; listed so that typos are still found."""

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_DNS_LABEL = re.compile(_LABEL)
_HOSTNAME = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`|~]+")
_DURATION = re.compile(r"(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}")
_DURATION_PART = re.compile(r"([0-9]+)(h|ms|m|s)")
_GO_DURATION = re.compile(r"(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:h|ms|m|s|us|µs|μs|ns))+")
_GO_DURATION_PART = re.compile(r"([0-9.]+)(h|ms|m|s|us|µs|μs|ns)")
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))([eE][-+]?[0-9]{1,2}|[numkMGTPE]|[KMGTPE]i)?")

_SECONDS = {
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("1e-3"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),
    "μs": Decimal("1e-6"),
    "ns": Decimal("1e-9"),
}
_SCALES = {
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("num", -3)},
    **{suffix: Decimal(10) ** (3 * power) for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", 1)},
}
_LONGEST_DURATION = Decimal(100 * 365 * 24 * 3600)


def _sum_parts(parts: list[tuple[str, str]]) -> timedelta:
    seconds = sum((Decimal(amount) * _SECONDS[unit] for amount, unit in parts), Decimal(0))
    if seconds > _LONGEST_DURATION:
        raise ValueError("expected a duration of at most 100 years")
    return timedelta(microseconds=int(seconds * 1_000_000))


def parse_duration(text: str) -> timedelta:
    """Parse a Gateway API duration (GEP-2257) such as `1h30m` or `500ms`."""
    if not _DURATION.fullmatch(text):
        raise ValueError('expected a duration such as "10s", "500ms" or "1h30m"')
    return _sum_parts(_DURATION_PART.findall(text))


def parse_go_duration(text: str) -> timedelta:
    """Parse a Go duration such as `1.5h` or `250us`; `0` needs no unit."""
    if text in ("0", "+0"):
        return timedelta()
    unsigned = text.removeprefix("+")
    if len(text) > 100 or not _GO_DURATION.fullmatch(unsigned):
        raise ValueError('expected a duration such as "10s", "1.5h" or "250ms"')
    return _sum_parts(_GO_DURATION_PART.findall(unsigned))


def parse_quantity(text: str) -> int:
    """Parse a Kubernetes quantity such as `50Mi`; a fraction is rounded up, as Kubernetes does."""
    found = _QUANTITY.fullmatch(text) if len(text) <= 100 else None
    if not found:
        raise ValueError('expected a size such as "50Mi", "32Ki" or 1000')
    number, suffix = Decimal(found[1]), found[2] or ""
    scale = Decimal(f"1{suffix}") if suffix[1:].strip("+-").isdecimal() else _SCALES.get(suffix, Decimal(1))
    whole = int((number * scale).to_integral_value(ROUND_CEILING))
    if not 0 <= whole < 2**63:
        raise ValueError("expected a size between 0 and 2^63-1")
    return whole


def _from_string(parse: Callable[[str], Any]) -> PlainValidator:
    """A validator for a field that is a string in YAML and something else here."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "expected a string")
        return parse(value)

    return PlainValidator(read)


def _read_quantity(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("quantity_type", "expected a size")
    return parse_quantity(str(value))


def _read_int_or_string(value: object) -> int | str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise PydanticCustomError("int_or_string_type", "expected an integer or a string")
    return value


def _decode_base64(text: str) -> Sensitive:
    try:
        return Sensitive(base64.b64decode("".join(text.split()), validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("expected base64; plain text belongs in stringData") from None


def _match(pattern: re.Pattern[str], longest: int, expected: str) -> AfterValidator:
    """A validator for a string of a pattern and a length."""

    def check(value: str) -> str:
        if len(value) > longest or not pattern.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _refuse_address(value: str) -> str:
    try:
        ipaddress.ip_address(value)
    except ValueError:
        return value
    raise ValueError("expected a host name, not an IP address")


def _refuse_wildcard(value: str) -> str:
    if value.startswith("*"):
        raise ValueError('expected a host name without "*"')
    return value


Duration = Annotated[timedelta, _from_string(parse_duration)]
"""Gateway API duration (GEP-2257)."""

GoDuration = Annotated[timedelta, _from_string(parse_go_duration)]
"""Duration as Go's time.ParseDuration reads it."""

Quantity = Annotated[int, PlainValidator(_read_quantity)]
"""A size in bytes: `50Mi`, `32Ki`, 1000."""

IntOrString = Annotated[int | str, PlainValidator(_read_int_or_string)]
"""A port number or a port name, and the like."""

Port = Annotated[int, Field(ge=1, le=65535)]

Hostname = Annotated[
    str,
    _match(_HOSTNAME, 253, 'a lower-case host name, "*." allowed in front'),
    AfterValidator(_refuse_address),
]
"""Gateway API Hostname."""

PreciseHostname = Annotated[
    str,
    AfterValidator(_refuse_wildcard),
    _match(_HOSTNAME, 253, "a lower-case host name"),
    AfterValidator(_refuse_address),
]
"""Gateway API PreciseHostname: no wildcard."""

HeaderName = Annotated[str, _match(_HEADER_NAME, 256, "an HTTP header name")]

ObjectName = Annotated[str, _match(re.compile(r"[^\x00-\x1f\x7f]+"), 253, "the name of an object")]

Namespace = Annotated[str, _match(_DNS_LABEL, 63, 'a namespace: at most 63 lower-case letters, digits and "-"')]

SectionName = Annotated[str, _match(_SUBDOMAIN, 253, 'a section name: lower-case letters, digits, "-" and "."')]

Base64 = Annotated[Sensitive, _from_string(_decode_base64)]
"""Base64 text in YAML, redacted bytes here."""

SensitiveText = Annotated[Sensitive, _from_string(lambda text: Sensitive(text.encode()))]
"""Plain text in YAML, redacted bytes here."""
