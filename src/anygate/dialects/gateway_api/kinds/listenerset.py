"""ListenerSet and its experimental predecessor XListenerSet: more listeners for an existing Gateway."""

from typing import ClassVar

from pydantic import Field, field_validator

from anygate.dialects.gateway_api.kinds.listener import Listener, check_listeners
from anygate.dialects.gateway_api.kinds.references import (
    EXPERIMENTAL_GROUP,
    GATEWAY_API_GROUP,
    ParentGatewayReference,
)
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.manifests.kind import Kind, Node


class ListenerSetSpec(Node):
    """The Gateway to extend and the listeners to add."""

    parent_ref: ParentGatewayReference
    listeners: NonEmpty[Listener] = Field(max_length=64)

    @field_validator("listeners")
    @classmethod
    def _check_listeners(cls, listeners: tuple[Listener, ...]) -> tuple[Listener, ...]:
        check_listeners(listeners)
        return listeners


class ListenerSet(Kind):
    """Listeners that join a Gateway."""

    GROUP: ClassVar[str] = GATEWAY_API_GROUP
    KIND: ClassVar[str] = "ListenerSet"

    spec: ListenerSetSpec


class XListener(Listener):
    """A listener whose port may be left to the implementation."""

    port: int = Field(default=0, ge=0, le=65535)


class XListenerSetSpec(Node):
    """As ListenerSetSpec, with open ports."""

    parent_ref: ParentGatewayReference
    listeners: NonEmpty[XListener] = Field(max_length=64)

    @field_validator("listeners")
    @classmethod
    def _check_listeners(cls, listeners: tuple[XListener, ...]) -> tuple[XListener, ...]:
        check_listeners(listeners)
        return listeners


class XListenerSet(Kind):
    """Experimental ListenerSet."""

    GROUP: ClassVar[str] = EXPERIMENTAL_GROUP
    KIND: ClassVar[str] = "XListenerSet"

    spec: XListenerSetSpec
