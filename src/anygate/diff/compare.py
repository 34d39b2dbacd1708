"""Two models, compared by what they do."""

from anygate.diff.answer import Difference, Differences
from anygate.diff.backends import compare_backends
from anygate.diff.listeners import PortComparison, pair_ports
from anygate.diff.side import Side
from anygate.model.root import Model


def diff_models(old: Model, new: Model, *, strict: bool = False) -> Differences:
    """Say what `new` does otherwise than `old`: on which ports, with which requests, with which destinations.

    Names of objects, their order and what they are split into mean nothing. What differs only where a prefix ends
    (`/products` in dialects whose prefixes are of characters also takes `/productsX`) is a note, unless `strict`.
    Backends without endpoints are taken to have some, as in a cluster.
    """
    sides = Side(old), Side(new)
    ports = PortComparison(sides, strict=strict)
    entries: list[Difference] = [entry for pair in pair_ports(*sides) for entry in ports.run(pair)]
    entries += compare_backends(*sides)
    return Differences(entries=tuple(entries), notes=tuple(dict.fromkeys(ports.notes)))
