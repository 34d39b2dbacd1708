"""What our own service checks for a rule: the checks and their secrets, in a file of which Envoy knows the name only.

The service finds the file in the folder of credentials (`envoy/upstream/files.py` lists what to write there). Its name
follows from its content, so that other settings are another file, and requests that go by old routes are still checked.
"""

from collections.abc import Callable
from hashlib import sha256

import msgspec

from anygate.model.checks import Check, CsrfCheck, HmacCheck
from anygate.model.origin import NOWHERE, Origin

ORDER_KEY = "order"
"""The context extension in which Envoy names the file."""


class Order(msgspec.Struct, frozen=True):
    """The checks of a rule, without the places they come from, and the content of each secret that they name."""

    checks: tuple[Check, ...]
    secrets: dict[str, bytes]


def write_order(checks: tuple[Check, ...], reveal: Callable[[str, Origin], bytes]) -> bytes:
    """Render an order; `reveal` returns the content of a secret that is named at some place."""
    named = {one.secret: one.origin for one in checks if isinstance(one, (HmacCheck, CsrfCheck))}
    secrets = {name: reveal(name, named[name]) for name in sorted(named)}
    return msgspec.json.encode(Order(without_places(checks), secrets))


def without_places(checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """Checks that are equal wherever the manifests ask for them."""
    return tuple(msgspec.structs.replace(one, origin=NOWHERE) for one in checks)


def read_order(content: bytes) -> Order:
    """Read an order; raises msgspec.DecodeError."""
    return msgspec.json.decode(content, type=Order)


def order_file_name(order: bytes) -> str:
    """The file of an order."""
    return f"{sha256(order).hexdigest()}.order"
