"""Paths that are told apart without a look at them take no request in common."""

import random

from anygate.dialects.gateway_api.write.conditions import Wanted, join
from anygate.dialects.gateway_api.write.neighbours import Neighbours
from anygate.model.match import PathMatch

TEXTS = ("/", "/a", "/a/", "/ab", "/a/b", "/a/b/c", "/b", "/a-b", "/A")
PATTERNS = ("/a.*", "/a/[^/]+/b", "/ab?", "/a|/b", "(?i)/a", "/a/b{2}", ".*b", "/a\\.b*", "/a/(?:b|c)")


def random_path(chance: random.Random) -> PathMatch | None:
    if chance.random() < 0.05:
        return None
    kind = chance.choice(("exact", "prefix", "string_prefix", "regex"))
    value = chance.choice(PATTERNS if kind == "regex" else TEXTS)
    return PathMatch(kind=kind, value=value, ignore_case=chance.random() < 0.1)


def test_whatever_may_meet_is_near() -> None:
    chance = random.Random(7)
    paths = [random_path(chance) for _ in range(300)]
    near = Neighbours(paths)
    for at, one in enumerate(paths):
        found = set(near.of(one, after=at))
        for later in range(at + 1, len(paths)):
            both = join(Wanted(one), Wanted(paths[later]))
            # Of two expressions, or of one and a prefix, nobody can tell more than that they begin differently.
            is_sure = isinstance(both, Wanted) or "regex" not in (_kind(one), _kind(paths[later]))
            if both is not None and is_sure:
                assert later in found, (one, paths[later])


def _kind(path: PathMatch | None) -> str:
    return path.kind if path is not None else ""


def test_expressions_meet_what_they_take() -> None:
    asked = PathMatch(kind="regex", value="/a/b?")
    paths = [PathMatch(kind="exact", value=text) for text in ("/a", "/a/", "/a/b", "/b")]
    assert Neighbours(paths).of(asked, after=-1) == [1, 2]


def test_those_that_take_all_are_over_it() -> None:
    paths = [PathMatch(kind="prefix", value="/a"), PathMatch(kind="exact", value="/a"), None]
    found = [*Neighbours(paths).over(PathMatch(kind="exact", value="/a/b"))]
    assert sorted(found) == [0, 2]
