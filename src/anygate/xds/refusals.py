"""Which resources Envoy names in the text of a NACK."""

import re
from collections.abc import Collection

from anygate.envoy.snapshot import CLUSTER, LISTENER

_PREFIX = re.compile(r"^Error adding/updating (?:listener|cluster)\(s\) ")


def named_in(message: str, type_url: str, sent: Collection[str]) -> frozenset[str]:
    """Return the resources of a response that its NACK names as refused; all others were then taken over.

    Only CDS and LDS apply the good resources of a response that also has bad ones, and they say so in one
    fixed form: `Error adding/updating listener(s) a: reason, b: reason`. Any other text (a message that does
    not parse, a failed validation rule, any other type) means that nothing or an unknown part was applied.
    """
    prefix = _PREFIX.match(message)
    if prefix is None or type_url not in (CLUSTER, LISTENER):
        return frozenset()
    rest = message[prefix.end() :]
    return frozenset(name for name in sent if _is_listed(rest, name))


def _is_listed(text: str, name: str) -> bool:
    return text.startswith(f"{name}: ") or f", {name}: " in text or f"\n{name}: " in text
