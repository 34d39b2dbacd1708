"""Facts of both sides, reduced to what is otherwise, in words."""

from collections.abc import Iterator, Mapping

from anygate.diff.answer import Aspect
from anygate.diff.facts import Facts
from anygate.diff.names import Plain, render_value

_BEFORE, _SHOWN = 20, 60


def compare_facts(old: Facts, new: Facts) -> list[Aspect]:
    """What becomes of a request otherwise than before; nothing where it is all the same."""
    if old == new:
        return []
    found = []
    if old.answer != new.answer:
        found.append(Aspect(name="answer", old=old.answer, new=new.answer))
    if old.body != new.body:
        found.append(_compare_bodies(old.body, new.body))
    if old.shares != new.shares:
        found += _compare_shares(old.shares, new.shares)
    found += _compare_sent(old.sent, new.sent)
    # Between a rule and no rule it goes without saying that nothing of the rule holds.
    if old.rule and new.rule:
        found += compare_plain(*_comparable(old, new))
    return found


def _comparable(old: Facts, new: Facts) -> tuple[dict[str, Plain], dict[str, Plain]]:
    """The rules of both; where only one sends requests on, what holds on the way goes without saying."""
    if bool(old.shares) == bool(new.shares):
        return old.rule, new.rule
    both = [name for name in old.rule if name in new.rule]
    return {name: old.rule[name] for name in both}, {name: new.rule[name] for name in both}


def compare_plain(old: Mapping[str, Plain], new: Mapping[str, Plain], above: str = "") -> list[Aspect]:
    """Compare field by field; what is there on one side only is one aspect."""
    return list(_each(old, new, above))


def _each(old: Mapping[str, Plain], new: Mapping[str, Plain], above: str) -> Iterator[Aspect]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        words = f"{above} {name}".strip().replace("_", " ")
        if isinstance(before, dict) and isinstance(after, dict) and before.get("type") == after.get("type"):
            yield from _each(before, after, words)
            continue
        shown = render_value(before), render_value(after)
        if shown == ("none", "none"):
            shown = "none" if before is None else "empty", "none" if after is None else "empty"
        elif shown[0] == shown[1]:
            # What differs is not for eyes.
            shown = shown[0], f"another ({shown[1]})"
        yield Aspect(name=words, old=shown[0], new=shown[1])


def _compare_bodies(old: str, new: str) -> Aspect:
    """Both bodies, from a little before where they part."""
    same = next((at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    start = max(same - _BEFORE, 0)
    shown = [f"{'...' if start else ''}{body[start : start + _SHOWN]}" for body in (old, new)]
    more = ["..." if len(body) > start + _SHOWN else "" for body in (old, new)]
    return Aspect(name="body", old=repr(shown[0] + more[0]), new=repr(shown[1] + more[1]))


def _compare_shares(old: dict[str, float], new: dict[str, float]) -> Iterator[Aspect]:
    if len(old) <= 1 and len(new) <= 1:
        yield Aspect(name="destination", old=next(iter(old), "none"), new=next(iter(new), "none"))
        return
    for where in dict.fromkeys((*old, *new)):
        before, after = old.get(where, 0.0), new.get(where, 0.0)
        if before != after:
            yield Aspect(name=f"weight of {where}", old=f"{before:.4g}%", new=f"{after:.4g}%")


def _compare_sent(old: dict[str, dict[str, Plain]], new: dict[str, dict[str, Plain]]) -> list[Aspect]:
    """What the destinations get: said once where it is the same for all of them."""
    before, after = _same_for_all(old), _same_for_all(new)
    if before is not None and after is not None:
        # Where one side sends nothing on, its answer says it all.
        return compare_plain(before, after) if before and after else []
    found = {where: compare_plain(old[where], new[where]) for where in old if where in new}
    changes = [change for change in found.values() if change]
    if len(changes) == len(found) and changes and all(change == changes[0] for change in changes):
        return changes[0]
    return [
        Aspect(name=f"{one.name} for {where}", old=one.old, new=one.new)
        for where, each in found.items()
        for one in each
    ]


def _same_for_all(sent: dict[str, dict[str, Plain]]) -> dict[str, Plain] | None:
    values = list(sent.values())
    return values[0] if values and all(one == values[0] for one in values) else None
