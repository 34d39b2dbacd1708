"""Flattening: one table picks the same requests and makes the same paths of them as two stages do."""

import random
import re

import pytest

from anygate.dialects.app_mesh.flatten import NEVER, Composition, Entry, compose
from anygate.dialects.app_mesh.patterns import matches_whole, rest_behind
from anygate.model.edit import PathRewrite
from anygate.model.match import PathMatch, ValueMatch
from anygate.model.outside import outside_pattern

LETTERS = "ab./"
DOTS = re.compile(r"\.\.?(/|$)")
PATTERNS = ("/.*", ".*", "/a.*", "/[ab]", "/a|/b.*", ".*b", "/a+", "/ab?/.*", "/(?:a|b)/.*", "/\\.a", "/a/.*")


def path_match(kind: str, value: str) -> PathMatch:
    return PathMatch(kind=kind, value=value)  # type: ignore[arg-type]


def fits(match: PathMatch | None, path: str) -> bool:
    if match is None:
        return True
    if match.kind == "regex":
        return re.fullmatch(match.value, path) is not None
    return path == match.value if match.kind == "exact" else path.startswith(match.value)


def also_fits(value: ValueMatch, path: str) -> bool:
    assert value.name == ":path"
    holds = path.startswith(value.value) if value.kind == "prefix" else bool(re.fullmatch(value.value, path))
    return holds != value.invert


def rewritten(rewrite: PathRewrite | None, matched: PathMatch | None, path: str) -> str:
    """What Envoy makes of a path; a prefix rewrite swaps what was matched, all of the path but for a prefix."""
    if rewrite is None:
        return path
    if rewrite.kind == "full":
        return rewrite.value
    if rewrite.kind == "regex":
        return re.sub(rewrite.pattern, rewrite.value, path, count=1)
    prefix = matched.value if matched is not None and matched.kind == "string_prefix" else path
    return rewrite.value + path[len(prefix) if matched is not None else 1 :]


def first_stage(entry: Entry, path: str) -> str | None:
    """The path behind a gateway route, as App Mesh programmed it."""
    if not fits(entry.path, path):
        return None
    if entry.full:
        return entry.full
    if not entry.prefix:
        return path
    start = entry.path.value if entry.path else "/"
    if not start.endswith("/") and path.startswith(f"{start}/"):
        start += "/"
    rest = path[len(start) :]
    # App Mesh would have put the new path in order once more: `/a../b` behind `/a` was another path to the routes.
    return None if DOTS.match(rest) else entry.prefix + rest


def two_stages(entry: Entry, routes: list[PathMatch], path: str) -> tuple[int, str] | None:
    seen = first_stage(entry, path)
    if seen is None:
        return None
    return next(((number, seen) for number, route in enumerate(routes) if fits(route, seen)), None)


def one_stage(composed: list[Composition], path: str, query: str) -> tuple[int, str] | None:
    for number, one in enumerate(composed):
        for passage in one.passages:
            if fits(passage.path, path) and all(also_fits(value, path + query) for value in passage.also):
                seen = rewritten(one.rewrite, passage.path, path)
                # What `outside` finds is answered with 404.
                return None if is_outside(one.rewrite, passage.path, path) else (number, seen)
    return None


def is_outside(rewrite: PathRewrite | None, matched: PathMatch | None, path: str) -> bool:
    if rewrite is None or rewrite.kind != "prefix" or matched is None:
        return False
    pattern = outside_pattern(matched.value, rewrite.value)
    return bool(pattern) and re.fullmatch(pattern, path) is not None


def random_path(chance: random.Random, longest: int, letters: str = LETTERS) -> str:
    text = "/" + "".join(chance.choice(letters) for _ in range(chance.randrange(longest)))
    return re.sub("/+", "/", text)


def random_match(chance: random.Random) -> PathMatch:
    kind = chance.choice(("string_prefix", "string_prefix", "exact", "regex"))
    return path_match(kind, chance.choice(PATTERNS) if kind == "regex" else random_path(chance, 4))


def random_entry(chance: random.Random) -> Entry:
    match = chance.choice((random_match(chance), path_match("string_prefix", random_path(chance, 4)), None))
    edit = chance.choice(("", "/", "/", "value", "full"))
    if edit == "full":
        return Entry(match, full=random_path(chance, 4, "ab/"))
    if match is not None and match.kind != "string_prefix":
        return Entry(match)
    value = re.sub("/+", "/", random_path(chance, 3, "ab/") + "/") if edit == "value" else edit
    return Entry(match, prefix=value if match is not None or edit == "value" else "")


def test_both_agree_on_random_routes() -> None:
    chance = random.Random(4)
    decided = 0
    for _ in range(20_000):
        entry, routes = random_entry(chance), [random_match(chance) for _ in range(3)]
        composed = [compose(entry, route) for route in routes]
        sound = [one for one in composed if one is not None]
        if len(sound) < len(composed):
            continue
        decided += 1
        for _ in range(8):
            path, query = random_path(chance, 6), chance.choice(("", "?", "?b", "?a=/b"))
            if {".", ".."} & set(path.split("/")):
                continue  # Envoy has put it in order before
            wanted = two_stages(entry, routes, path)
            assert one_stage(sound, path, query) == wanted, (entry, routes, path)
            whole = next((number for number, one in enumerate(sound) if one.whole), None)
            if whole is not None and first_stage(entry, path) is not None:
                assert wanted is not None
                assert wanted[0] <= whole
    assert decided > 15_000


@pytest.mark.parametrize(
    ("prefix", "image", "wanted", "paths", "rewrite"),
    [
        ("/paths", "/", ("string_prefix", "/blue"), ["/paths/blue", "/pathsblue"], "/blue"),
        ("/paths", "/", ("string_prefix", "/"), ["/paths/", "/paths"], "/"),
        ("/test/", "/red/", ("string_prefix", "/red/a"), ["/test/a"], "/red/a"),
        ("/test", "/", ("exact", "/a"), ["/test/a", "/testa"], "/a"),
    ],
)
def test_a_rewrite_is_the_image_of_what_is_matched(
    prefix: str, image: str, wanted: tuple[str, str], paths: list[str], rewrite: str
) -> None:
    made = compose(Entry(path_match("string_prefix", prefix), prefix=image), path_match(*wanted))
    assert made is not None
    assert [one.path.value for one in made.passages if one.path] == paths
    assert made.rewrite == PathRewrite(kind="prefix", value=rewrite)


def test_paths_that_exclude_each_other_never_pass() -> None:
    kept = Entry(path_match("string_prefix", "/a"))
    assert compose(kept, path_match("string_prefix", "/b")) == NEVER
    assert compose(Entry(path_match("exact", "/a")), path_match("regex", "/b+")) == NEVER
    assert compose(kept, path_match("exact", "/a?b")) == NEVER


def test_two_expressions_cannot_be_one() -> None:
    assert compose(Entry(path_match("regex", "/a.*")), path_match("regex", ".*b")) is None
    assert compose(Entry(path_match("string_prefix", "/p"), prefix="/"), path_match("regex", "(?i)/a")) is None


@pytest.mark.parametrize(
    ("pattern", "literal", "rest"),
    [
        ("/a/.*", "/a", "/.*"),
        (r"/\.x|/b", "/", r"\.x|b"),
        (".*", "/v/", ".*"),
        (".*b", "/", ".*b"),
        (".*/b", "/", None),
        ("/?a", "/", None),
        ("[/]a", "/", None),
        ("/[|]a", "/", "[|]a"),
        ("/(a|b)", "/", "(a|b)"),
        ("(/a|/b)", "/", None),
    ],
)
def test_the_rest_behind_a_literal_start(pattern: str, literal: str, rest: str | None) -> None:
    assert rest_behind(pattern, literal) == rest


def test_an_expression_matches_the_whole_text() -> None:
    assert matches_whole("/a|/b", "/b")
    assert not matches_whole("/a|/b", "/ab")
    assert not matches_whole("/a", "/a\n")
    assert matches_whole("/(", "/") is None
