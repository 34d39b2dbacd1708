"""Ranges of whole numbers as regular expressions."""

from collections.abc import Iterator


def range_pattern(start: int, end: int) -> str:
    """An expression for the numbers from `start` up to but without `end`, in decimal, with leading zeros or a sign."""
    last = end - 1
    parts = []
    if start < 0:
        negative = "|".join(_patterns(max(1, -last), -start)) if start <= min(last, -1) else ""
        parts += [f"-0*(?:{negative})"] if negative else []
    if last >= max(start, 0):
        parts.append(f"\\+?0*(?:{'|'.join(_patterns(max(start, 0), last))})")
    if start <= 0 <= last:
        parts.append("-0+")
    # Nothing is in an empty range.
    return "|".join(parts) if parts else "[^\\s\\S]"


def _patterns(low: int, high: int) -> Iterator[str]:
    """Expressions for the numbers from `low` to `high`, none of them negative, both included."""
    while low <= high:
        top = _block_end(low, high)
        yield _between(str(low), str(top))
        low = top + 1


def _block_end(low: int, high: int) -> int:
    """The last number of the widest block from `low` on that differs in the end only: 120-129, 100-199."""
    size = 1
    while low % (size * 10) == 0 and low + size * 10 - 1 <= high and low:
        size *= 10
    ceiling = (low // (size * 10) + 1) * size * 10 - 1
    top = low + size - 1
    while top + size <= min(high, ceiling):
        top += size
    return top


def _between(low: str, high: str) -> str:
    """Numbers of one length of which the first digits agree, one is in a span, and the rest is any."""
    text = ""
    for first, last in zip(low, high, strict=True):
        text += first if first == last else f"[{first}-{last}]"
    return text
