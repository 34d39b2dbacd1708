"""What the lists of models say, which an AIGatewayRoute brings with it: whose each model is, and since when."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from anygate.dialects.envoy_ai.listing import OPENAI_PATH
from anygate.dialects.guest_routes import Line
from anygate.model.edit import Respond
from anygate.model.inference import MODEL_HEADER
from anygate.model.match import HttpMatch
from anygate.model.route import HttpRoute

_PREFIX = "models/"
_USUAL = "Envoy AI Gateway"
_ANTHROPIC = "anthropic-version"


def is_listing(route: HttpRoute) -> bool:
    """Whether a route was made beside AIGatewayRoutes to answer with their models."""
    return route.origin.kind == "AIGatewayRoute" and route.name.startswith(_PREFIX)


class Listings:
    """The models that the lists of a table name."""

    def __init__(self, lines: Sequence[Line]) -> None:
        body = next(
            (line.rule.action.body for line in lines if isinstance(line.rule.action, Respond) and _is_first(line)), ""
        )
        listed = json.loads(body)["data"] if body else ()
        self._models: dict[str, tuple[str, int]] = {one["id"]: (one["owned_by"], one["created"]) for one in listed}

    def describe(self, matches: Sequence[HttpMatch]) -> dict[str, Any]:
        """What a rule for these has to say so that its models are listed as they were."""
        asked = [
            header.value
            for match in matches
            for header in match.headers
            if header.name.lower() == MODEL_HEADER and header.kind == "exact"
        ]
        known = [self._models[one] for one in asked if one in self._models]
        if not asked:
            return {}
        if not known:
            return {"excludeFromModelsEndpoint": True}
        owner, created = known[0]
        return {
            **({"modelsOwnedBy": owner} if owner != _USUAL else {}),
            **({"modelsCreatedAt": _render(created)} if created else {}),
        }


def _is_first(line: Line) -> bool:
    """Whether a row answers those who are no clients of Anthropic's."""
    match = line.match
    names = {header.name.lower() for header in match.headers} if match is not None else ()
    is_here = match is not None and match.path is not None and match.path.value == OPENAI_PATH
    return is_here and _ANTHROPIC not in names


def _render(created: int) -> str:
    return datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
