"""The namespaces that listeners accept attachments from."""

from typing import Literal

from pydantic import Field

from anygate.manifests.kind import Node
from anygate.manifests.selector import LabelSelector


class RouteNamespaces(Node):
    """Namespaces whose routes may attach to a listener."""

    from_: Literal["All", "Selector", "Same"] = Field(default="Same", alias="from")
    # Only with Selector; without one nothing is selected.
    selector: LabelSelector | None = None


class ListenerNamespaces(Node):
    """Namespaces whose ListenerSets may attach to a Gateway."""

    from_: Literal["All", "Selector", "Same", "None"] = Field(default="None", alias="from")
    # Only with Selector; without one nothing is selected.
    selector: LabelSelector | None = None
