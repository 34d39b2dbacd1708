"""Members with their shares as the targets of a rule.

Members that are talked to in the same way share one cluster, where Envoy takes turns by weight, so that a split is
exact, as APISIX's is. Envoy draws lots between clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import msgspec

from anygate.dialects.apisix.context import Context
from anygate.dialects.apisix.nodes import Member
from anygate.dialects.apisix.treatment import Treatment
from anygate.dialects.joining import join_backends
from anygate.model.origin import Origin
from anygate.model.route import BackendTarget


@dataclass(frozen=True)
class Share:
    """What becomes of some members: one target, how it is talked to, and how many nodes it has."""

    target: BackendTarget
    treatment: Treatment
    count: int


def make_shares(context: Context, members: Sequence[Member], name: str, origin: Origin) -> tuple[Share, ...]:
    """The targets of members; `name` is that of what several of them are joined into.

    Those that are not there leave their share to the others. When nothing else is left they stand for themselves: they
    have no endpoints, so that requests are answered with 503 unless something stands in for them.
    """
    usable = [member for member in members if member.weight]
    present = [member for member in usable if not member.is_missing] or usable
    alike: dict[tuple[object, ...], list[Member]] = {}
    for member in present:
        alike.setdefault(_trait(member), []).append(member)
    found = []
    for number, group in enumerate(alike.values()):
        label = name if len(alike) == 1 else f"{name}/{number}"
        backend = group[0].backend.name if len(group) == 1 else _join(context, group, label, origin)
        if len(group) == 1:
            context.backends.setdefault(backend, group[0].backend)
        weight = sum((member.weight for member in group), Fraction(0))
        target = BackendTarget(origin=origin, backend=backend)
        found.append((target, weight, group))
    weights = _whole([weight for _, weight, _ in found])
    return tuple(
        Share(
            msgspec.structs.replace(target, weight=weight),
            group[0].treatment,
            sum(member.count for member in group),
        )
        for (target, _, group), weight in zip(found, weights, strict=True)
    )


def _trait(member: Member) -> tuple[object, ...]:
    """What members have in common that can share a cluster and a route."""
    treatment, backend = member.treatment, member.backend
    return (backend.protocol, backend.tls, backend.connection, treatment.rewrite, treatment.hash_policies)


def _join(context: Context, members: list[Member], name: str, origin: Origin) -> str:
    if name not in context.backends:
        weights = _whole([member.weight for member in members])
        joined = join_backends(name, [(one.backend, weight) for one, weight in zip(members, weights, strict=True)])
        context.backends[name] = msgspec.structs.replace(joined, origin=origin)
        for member in members:
            context.backends.setdefault(member.backend.name, _unprobed(member).backend)
    return name


def _unprobed(member: Member) -> Member:
    """A member of a joined backend, whose nodes are probed there already."""
    connection = msgspec.structs.replace(member.backend.connection, active_check=None, passive_check=None)
    return replace(member, backend=msgspec.structs.replace(member.backend, connection=connection))


def _whole(shares: list[Fraction]) -> list[int]:
    """The smallest whole numbers in the same proportion."""
    scale = lcm(*(share.denominator for share in shares))
    whole = [int(share * scale) for share in shares]
    return [weight // gcd(*whole) for weight in whole]
