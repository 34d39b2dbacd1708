"""What stands in the bodies of requests, put where routes can ask for it."""

from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable
from anygate.envoy.filters.script import json_script, script_entry, script_settings
from anygate.envoy.names import BODY, BODY_READ
from anygate.model.body_paths import FORM, read_steps
from anygate.model.body_rows import asked_names, asks_for_bodies
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "anygate/body"
LONGEST_BODY = 1_048_576
"""How many bytes a body may have that is looked at. A longer one is refused: if nothing were found in it, whoever makes
one long enough would choose the rule by which it goes."""


class BodyReadingFilter:
    """One entry, a script: what it finds it writes into the dynamic metadata, and has the route table asked again.

    Tried on Envoy 1.40: whatever comes after it runs for the final route, with that one's settings. A body that is
    longer than the listener's buffer is answered with 413, as the script answers it.
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule depends on bodies."""
        del server
        if not asks_for_bodies(rules):
            return []
        text = json_script("body_reading.lua", NAMESPACE=BODY, READ=BODY_READ, LONGEST=str(LONGEST_BODY))
        return [script_entry(NAME, text)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return what has other rows that stand before a rule with such conditions turn the entry on."""
        del scope
        return {NAME: enable()} if asks_for_bodies([rule]) else {}


def reading_entries(rules: Iterable[HttpRule], optional: Iterable[str]) -> dict[str, Message]:
    """Return the settings by which a row has bodies looked at for some rules, and turns on what these may want."""
    paths: list[dict[str, Any]] = []
    for name in asked_names(rules):
        steps = read_steps(name.removeprefix(FORM))
        assert steps is not None
        paths.append({"name": name, "steps": list(steps), "form": name.startswith(FORM)})
    found: dict[str, Message] = {name: enable() for name in sorted(set(optional))}
    found[NAME] = script_settings({"paths": paths})
    return found
