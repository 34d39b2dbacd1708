"""Ranges of addresses: those that are in two lists, and those that are in none."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

_EVERYTHING = ("0.0.0.0/0", "::/0")


def intersect_networks(one: Iterable[str], other: Sequence[str]) -> tuple[str, ...]:
    """The ranges of addresses in a range of both lists: of two ranges one holds the other, or they are apart."""
    return _render(_narrower(ip_network(left, False), ip_network(right, False)) for left in one for right in other)


def exclude_networks(cidrs: Iterable[str]) -> tuple[str, ...]:
    """The ranges of all addresses that are in none of these; raises ValueError if one is no range."""
    left: Sequence[IPv4Network | IPv6Network] = [ip_network(one) for one in _EVERYTHING]
    for text in cidrs:
        left = [part for one in left for part in _without(one, ip_network(text, False))]
    return _render(left)


def _narrower(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network | None:
    if not one.overlaps(other):
        return None
    return one if one.prefixlen >= other.prefixlen else other


def _without(one: IPv4Network | IPv6Network, other: IPv4Network | IPv6Network) -> Iterator[IPv4Network | IPv6Network]:
    if not one.overlaps(other):
        yield one
    elif one.prefixlen < other.prefixlen:
        yield from one.address_exclude(other)  # type: ignore[arg-type]


def _render(networks: Iterable[IPv4Network | IPv6Network | None]) -> tuple[str, ...]:
    found = [one for one in networks if one is not None]
    fours = [one for one in found if isinstance(one, IPv4Network)]
    sixes = [one for one in found if isinstance(one, IPv6Network)]
    return (*map(str, collapse_addresses(fours)), *map(str, collapse_addresses(sixes)))
