"""Several backends as one: their endpoints in one cluster, with the weights on its localities."""

from collections.abc import Sequence
from math import lcm

import msgspec

from anygate.model.backend import Backend, EndpointGroup


def join_backends(name: str, shares: Sequence[tuple[Backend, int]], *, sticky: bool = False) -> Backend:
    """One backend of several with their weights; what else it is comes from the first.

    Those that are a fallback get the second priority.
    """
    sizes = [max(1, sum(group.weight for group in backend.groups)) for backend, _ in shares]
    whole = lcm(*sizes)
    groups = []
    for number, ((backend, weight), size) in enumerate(zip(shares, sizes, strict=True)):
        # A member without endpoints keeps its place and weight, for a stub may stand in for it.
        for group in backend.groups or (EndpointGroup(),):
            # A locality is a member's zone here, so its name carries the member's number to keep two apart.
            groups.append(
                msgspec.structs.replace(
                    group,
                    zone=f"{number}/{group.zone}",
                    weight=weight * group.weight * (whole // size),
                    priority=1 if backend.fallback else 0,
                )
            )
    return msgspec.structs.replace(
        shares[0][0],
        name=name,
        groups=tuple(groups),
        members=tuple(backend.name for backend, _ in shares),
        sticky=sticky,
        fallback=False,
    )
