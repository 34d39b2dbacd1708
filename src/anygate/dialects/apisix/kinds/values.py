"""Values that several kinds share: hosts, addresses, timeouts, references."""

import ipaddress
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from anygate.manifests.fields import GoDuration, Namespace, ObjectName
from anygate.manifests.kind import Node

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_HOST = re.compile(rf"(?:\*\.?)?{_LABEL}(?:\.{_LABEL})*|\*")


def _read_host(value: str) -> str:
    # The controller trims and folds hosts too, so that "Shop.example.com " is accepted there.
    host = value.strip().lower()
    if len(host) > 253 or not _HOST.fullmatch(host):
        raise ValueError('expected a host name, "*" allowed at the start')
    return host


def _check_network(value: str) -> str:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("expected an IP address or a CIDR block") from None
    return value


Host = Annotated[str, AfterValidator(_read_host)]
"""A host; `*.example.com` stands for every depth below, `*example.com` also for the domain itself."""

Network = Annotated[str, AfterValidator(_check_network)]


def _check_address(value: str) -> str:
    if not is_ip(value) and (value.startswith("*") or not _HOST.fullmatch(value)):
        raise ValueError("expected an IP address or a lower-case host name")
    return value


def is_ip(text: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


PublicAddress = Annotated[str, AfterValidator(_check_address)]
"""Where clients reach a gateway: an IP address or a host name."""


def _check_path(value: str) -> str:
    if not value.startswith(("/", "*")) or any(char.isspace() for char in value):
        raise ValueError('expected a path that starts with "/"')
    return value


Path = Annotated[str, AfterValidator(_check_path)]
"""A path; `*` stands for any text."""

_DEFAULT_TIMEOUT = timedelta(seconds=60)


def _truncate(value: timedelta) -> timedelta:
    """The controller cuts off fractions of a second, and takes nothing to mean the default."""
    whole = timedelta(seconds=value // timedelta(seconds=1))
    if value and not whole:
        raise ValueError("expected at least one second: fractions are cut off")
    return whole or _DEFAULT_TIMEOUT


Timeout = Annotated[GoDuration, AfterValidator(_truncate)]


class Timeouts(Node):
    """How long connecting may take, and the gaps between two reads or writes."""

    connect: Timeout = _DEFAULT_TIMEOUT
    send: Timeout = _DEFAULT_TIMEOUT
    read: Timeout = _DEFAULT_TIMEOUT


class SecretReference(Node):
    """A Secret of any namespace."""

    name: ObjectName
    namespace: Namespace


class LocalReference(Node):
    """A Secret of the same namespace."""

    name: ObjectName


Weight = Annotated[int, Field(ge=0)]
FreeForm = dict[str, Any]
"""What only something else can check."""
