"""Plugins as every kind lists them, and the two kinds that hold nothing else."""

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from anygate.manifests.fields import ObjectName
from anygate.manifests.kind import Kind, Node
from anygate.manifests.sequences import NonEmpty
from anygate.manifests.violations import Violations

APISIX_GROUP = "apisix.apache.org"


class Plugin(Node):
    """One plugin; what its configuration may hold is a matter of the plugin."""

    name: str = Field(min_length=1)
    enable: bool = True
    config: dict[str, Any] = Field(default_factory=dict)
    # A Secret of the same namespace whose keys are paths of the configuration, and overrule it.
    secret_ref: ObjectName | None = None


def refuse_names(found: Violations, plugins: Sequence[Plugin], allowed: frozenset[str], what: str) -> None:
    """Report the plugins that are not among the allowed ones."""
    for index, plugin in enumerate(plugins):
        if plugin.name not in allowed:
            text = f"must be a plugin for {what}: {', '.join(sorted(allowed))}"
            found.add(text, "plugins", index, "name", value=plugin.name)


class PluginSetSpec(Node):
    """Plugins that are named or hold everywhere."""

    ingress_class_name: str = ""
    plugins: NonEmpty[Plugin]


class ApisixPluginConfig(Kind):
    """Plugins that routes refer to by name."""

    GROUP: ClassVar[str] = APISIX_GROUP
    KIND: ClassVar[str] = "ApisixPluginConfig"

    spec: PluginSetSpec


class ApisixGlobalRule(Kind):
    """Plugins that every request passes, before those of its route."""

    GROUP: ClassVar[str] = APISIX_GROUP
    KIND: ClassVar[str] = "ApisixGlobalRule"

    spec: PluginSetSpec
