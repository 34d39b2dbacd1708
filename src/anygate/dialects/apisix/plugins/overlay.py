"""A Secret laid over a plugin's configuration: each key is a path in it, with dots, and its value a string."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from anygate.manifests.core import Secret


def overlay(config: Mapping[str, Any], secret: Secret) -> tuple[dict[str, Any], frozenset[tuple[str, ...]]]:
    """The configuration with the Secret's values, and the paths at which they are."""
    made = deepcopy(dict(config))
    paths = []
    for key, value in sorted(secret.values.items()):
        *parents, last = path = tuple(key.split("."))
        at: dict[str, Any] = made
        for step in parents:
            if not isinstance(at.get(step), dict):
                at[step] = {}
            at = at[step]
        at[last] = value.reveal().decode(errors="replace")
        paths.append(path)
    return made, frozenset(paths)
