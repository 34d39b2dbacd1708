"""What the configurations of all plugins have in common."""

from typing import Annotated

from pydantic import ConfigDict, Field

from anygate.manifests.kind import Node


class Config(Node):
    """A plugin's configuration: its fields are written as they are called here."""

    model_config = ConfigDict(alias_generator=None)


Answerable = Annotated[int, Field(ge=200, le=599)]
"""A status that a plugin may answer with."""
