"""Targets of which each is one backend that can be referred to, with whole numbers as weights."""

from collections.abc import Sequence
from fractions import Fraction
from math import gcd, lcm

import msgspec

from anygate.dialects.gateway_api.write.writing import Writing
from anygate.model.route import BackendTarget


def split_targets(writing: Writing, targets: Sequence[BackendTarget]) -> list[BackendTarget]:
    """Targets with what a joined backend was joined of in its place, in the same proportions."""
    found: list[tuple[BackendTarget, Fraction]] = []
    for target in targets:
        members = writing.members(writing.backends[target.backend])
        parts = members or {target.backend: Fraction(1)}
        for name, share in parts.items():
            found.append((msgspec.structs.replace(target, backend=name), target.weight * share))
    if len(found) == len(targets):
        return list(targets)
    scale = lcm(*(weight.denominator for _, weight in found))
    whole = [int(weight * scale) for _, weight in found]
    shrink = gcd(*whole) or 1
    return [
        msgspec.structs.replace(target, weight=weight // shrink)
        for (target, _), weight in zip(found, whole, strict=True)
    ]
