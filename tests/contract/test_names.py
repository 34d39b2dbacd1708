"""House rules that no linter knows: sizes, names, and a sentence on everything public."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "anygate"
FILES = sorted(SOURCE.rglob("*.py"))
FILE_LIMIT = 600
FUNCTION_LIMIT = 60
BANNED = frozenset(
    (
        *("manager", "helper", "helpers", "util", "utils", "handler", "handlers"),
        *("processor", "common", "base", "info", "misc", "data"),
    )
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def public(tree: ast.AST) -> Iterator[Function | ast.ClassDef]:
    """Public functions and classes, and the public ones inside those classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def describes(node: Function | ast.ClassDef) -> bool:
    return bool((ast.get_docstring(node) or "").strip())


def length(node: Function) -> int:
    """The lines of a function without its docstring, which is the help text of a command."""
    said = node.body[0] if ast.get_docstring(node) else None
    return node.end_lineno - node.lineno + 1 - (said.end_lineno - said.lineno + 1 if said else 0)


def is_overload(node: Function | ast.ClassDef) -> bool:
    return any(getattr(one, "id", "") == "overload" for one in node.decorator_list)


def words(name: str) -> set[str]:
    return set(name.lower().strip("_").split("_"))


@pytest.fixture(scope="module")
def trees():
    assert len(FILES) > 50
    return {path.relative_to(SOURCE): parse(path) for path in FILES}


def test_files_are_short():
    lengths = {str(path.relative_to(SOURCE)): len(path.read_text().splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > FILE_LIMIT} == {}


def test_functions_are_short(trees):
    long = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in functions(tree)
        if length(node) > FUNCTION_LIMIT
    ]
    assert long == []


def test_modules_say_what_they_hold():
    assert words("http_handler") & BANNED
    assert [str(path) for path in FILES if path_words(path) & BANNED] == []


def path_words(path: Path) -> set[str]:
    return {word for part in path.relative_to(SOURCE).parts for word in words(Path(part).stem)}


def test_classes_say_what_they_are(trees):
    vague = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in ast.walk(tree)
        # Kinds have the names that their APIs give them.
        if isinstance(node, ast.ClassDef) and "kinds" not in path.parts and last_word(node.name) in BANNED
    ]
    assert vague == []


def last_word(name: str) -> str:
    start = max((index for index, char in enumerate(name) if char.isupper()), default=0)
    return name[start:].lower()


def test_everything_public_has_a_docstring(trees):
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in trees.items()
        for node in public(tree)
        if not describes(node) and not is_overload(node) and not is_stub(node)
    ]
    assert silent == []


def is_stub(node: Function | ast.ClassDef) -> bool:
    """Whether it is a member of a protocol without a body, which its class describes."""
    last = node.body[-1]
    return isinstance(last, ast.Expr) and isinstance(last.value, ast.Constant) and last.value.value is ...


def test_every_module_has_a_docstring(trees):
    assert [str(path) for path, tree in trees.items() if not ast.get_docstring(tree)] == []


def test_the_rules_can_fail():
    tree = ast.parse("def data_of():\n" + "    x = 1\n" * 70 + "class PathManager: pass\n")
    function, made = tree.body
    assert words(function.name) & BANNED
    assert last_word(made.name) in BANNED
    assert not describes(function)
    assert length(function) > FUNCTION_LIMIT
