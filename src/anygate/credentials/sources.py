"""What every source needs: the values of Secrets, and the way to the outside."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from anygate.credentials.endpoints import Endpoints
from anygate.credentials.problem import FetchProblem
from anygate.credentials.web import Web
from anygate.manifests.sensitive import Sensitive


@dataclass(frozen=True)
class Outside:
    """The web, where the vendors are in it, and the time."""

    endpoints: Endpoints = field(default_factory=Endpoints)
    web: Web = field(default_factory=Web)
    now: Callable[[], float] = time.time


def name_secret(name: str) -> str:
    """A Secret, and the key in it, as people know them: in the model their name is `opaque/NAMESPACE/NAME/KEY`."""
    parts = name.split("/")
    if len(parts) == 4 and parts[0] == "opaque":
        return f"the key {parts[3]} of Secret/{parts[1]}/{parts[2]}"
    return f"the Secret {name}"


@dataclass(frozen=True)
class Secrets:
    """The Secrets that one source refers to, by their names in the model."""

    values: Mapping[str, Sensitive]

    def reveal(self, name: str) -> str:
        """The text of a Secret without space around it; raises FetchProblem."""
        value = self.values.get(name)
        if value is None:
            raise FetchProblem(f"{name_secret(name)} is not there")
        try:
            return value.reveal_text().strip()
        except UnicodeDecodeError:
            raise FetchProblem(f"{name_secret(name)} is not text") from None
