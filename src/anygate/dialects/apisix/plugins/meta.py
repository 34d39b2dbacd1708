"""`_meta` in a plugin's configuration: what APISIX itself reads of it."""

from typing import Any

from pydantic import Field, ValidationError

from anygate.dialects.apisix.context import Context
from anygate.dialects.apisix.expressions import Conditions, Unread
from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.entries import Entry
from anygate.dialects.apisix.plugins.order import LOGGING, PRIORITIES
from anygate.dialects.apisix.vars import read_alternatives
from anygate.manifests.faults import report_faults
from anygate.manifests.kind import Node

KEY = "_meta"
_BEFORE_ALL = 2**31
DECIDING = frozenset(("fault-injection", "redirect", "traffic-split"))
"""Plugins that decide what answers a request, so that nothing else may where it cannot be told whether they run."""


class Meta(Node):
    """Whether, when and before which others a plugin runs, and what it answers instead of its own words."""

    disable: bool = False
    priority: int | None = None
    filter: list[Any] = Field(default_factory=list)
    error_response: Any = Field(default=None, alias="error_response")


def read_meta(context: Context, entry: Entry) -> Meta | None:
    """The `_meta` of an entry; None if it is not valid, which is reported."""
    try:
        meta = Meta.model_validate(entry.config.get(KEY, {}))
    except ValidationError as error:
        report_faults(
            entry.owner.manifest,
            Meta,
            error.errors(include_url=False),
            context.report,
            (*entry.config_path, KEY),
        )
        return None
    if meta.priority is not None and meta.priority != PRIORITIES.get(entry.name, 0):
        text = "Envoy's filters have an order of their own; only plugins that become the same filter are ordered by it"
        context.note(NOT_HONOURED, text, entry.owner, (*entry.config_path, KEY, "priority"))
    return meta


def read_filter(meta: Meta) -> tuple[Conditions, ...] | Unread:
    """When the plugin runs, if that can be told: one of these must hold, none means always."""
    return read_alternatives(meta.filter) if meta.filter else ()


def priority_of(entry: Entry) -> int:
    """The place of a plugin in APISIX's order."""
    if entry.name in LOGGING:
        return _BEFORE_ALL
    meta = entry.config.get(KEY)
    own = meta.get("priority") if isinstance(meta, dict) else None
    return own if isinstance(own, int) else PRIORITIES.get(entry.name, 0)
