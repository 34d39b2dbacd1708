"""Which row of a table takes a request, found without asking every row."""

from collections.abc import Sequence

from anygate.explain.conditions import check_match
from anygate.explain.seen import SeenRequest
from anygate.model.route_table import Row


class Lookup:
    """The rows of a virtual host by the paths that they ask for."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._wanted = [row.wanted for row in rows]
        self._always: list[int] = []
        self._exact: dict[str, list[int]] = {}
        self._stems: dict[str, list[int]] = {}
        self._starts: dict[str, list[int]] = {}
        for at, wanted in enumerate(self._wanted):
            path = wanted.path if wanted else None
            if path is None or path.kind == "regex" or path.ignore_case:
                self._always.append(at)
            elif path.kind == "exact":
                self._exact.setdefault(path.value, []).append(at)
            elif path.kind == "prefix":
                self._stems.setdefault(path.value.rstrip("/"), []).append(at)
            else:
                self._starts.setdefault(path.value, []).append(at)
        self._lengths = sorted({len(start) for start in self._starts})

    def find(self, seen: SeenRequest) -> Row | None:
        """The first row of which every condition holds; one that cannot be evaluated does not."""
        for at in self._candidates(seen.path):
            wanted = self._wanted[at]
            if wanted is not None and wanted.method not in ("", seen.method):
                continue
            if all(condition.holds for condition in check_match(wanted, seen)):
                return self._rows[at]
        return None

    def _candidates(self, path: str) -> list[int]:
        """The places of rows whose condition on the path may hold, in their order."""
        found = [*self._always, *self._exact.get(path, ()), *self._stems.get(path, ())]
        at = path.find("/")
        while at != -1:
            found += self._stems.get(path[:at], ())
            at = path.find("/", at + 1)
        for length in self._lengths:
            if length > len(path):
                break
            found += self._starts.get(path[:length], ())
        return sorted(set(found))
