"""What the passes of this dialect share: inputs, the report, objects in their newest shape, and what they collect."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anygate.diagnostics import FieldPath, ObjectRef, Report, Rule
from anygate.dialects.dialect import ReadCache
from anygate.dialects.envoy_ai.attachments import Attachments, attach_policies
from anygate.dialects.envoy_ai.kinds import KINDS
from anygate.dialects.envoy_ai.kinds.aigatewayroute import AIGatewayRouteSpec
from anygate.dialects.envoy_ai.kinds.backendsecuritypolicy import BackendSecurityPolicySpec
from anygate.dialects.envoy_ai.kinds.gatewayconfig import GatewayConfigSpec
from anygate.dialects.envoy_ai.kinds.groups import AI_GATEWAY_GROUP, OLD_POOL_GROUP, POOL_GROUP
from anygate.dialects.envoy_ai.kinds.inferencepool import InferencePoolSpec
from anygate.dialects.envoy_ai.normalise import (
    Normal,
    NormalBackend,
    normalise_backend,
    normalise_config,
    normalise_policy,
    normalise_pool,
    normalise_route,
)
from anygate.dialects.envoy_ai.status import Conditions
from anygate.dialects.origins import origins_of
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.manifests.object import Manifest
from anygate.model import Model
from anygate.model.origin import Origin
from anygate.model.tls import Secret

Place = tuple[str, str]
"""Namespace and name."""

N = TypeVar("N", bound=Normal[Any])


@dataclass(frozen=True)
class Part:
    """What one kind of routes adds: the objects that it derives, and what it does to the model made of them."""

    objects: tuple[Kind, ...] = ()
    refine: Callable[[Model], Model] = lambda model: model


@dataclass
class Context:
    """Inputs and collections of one reading."""

    index: Index
    report: Report
    cache: ReadCache
    conditions: Conditions = field(default_factory=Conditions)
    secrets: dict[str, Secret] = field(default_factory=dict)
    routes: dict[Place, Normal[AIGatewayRouteSpec]] = field(init=False)
    backends: dict[Place, NormalBackend] = field(init=False)
    policies: dict[Place, Normal[BackendSecurityPolicySpec]] = field(init=False)
    configs: dict[Place, Normal[GatewayConfigSpec]] = field(init=False)
    pools: dict[Place, Normal[InferencePoolSpec]] = field(init=False)
    attachments: Attachments = field(init=False)

    def __post_init__(self) -> None:
        def every(kind: str) -> tuple[Kind, ...]:
            return self.index.all(AI_GATEWAY_GROUP, kind)

        pools = (*self.index.all(OLD_POOL_GROUP, "InferencePool"), *self.index.all(POOL_GROUP, "InferencePool"))
        self.routes = self._normalise(every("AIGatewayRoute"), normalise_route)
        self.backends = self._normalise(every("AIServiceBackend"), normalise_backend)
        self.policies = self._normalise(every("BackendSecurityPolicy"), normalise_policy)
        self.configs = self._normalise(every("GatewayConfig"), normalise_config)
        self.pools = self._normalise(pools, normalise_pool)
        self.attachments = attach_policies(self.backends.values(), self.policies.values())
        self.report.extend(self.attachments.remarks)

    def _normalise(self, kinds: Iterable[Kind], normalise: Callable[[Any], N]) -> dict[Place, N]:
        """Objects in their newest shape. A pool of the newer group stands instead of an older one of its name."""
        found: dict[Place, N] = {}
        for kind in kinds:
            # The kind is part of what is stored, so that its id stays taken.
            normal: N | None = self.cache.get(("normal", id(kind)))
            if normal is None:
                normal = normalise(kind)
                self.cache.put(("normal", id(kind)), normal)
            if normal.remarks:
                self.report.extend(normal.remarks)
            found[kind.namespace, kind.name] = normal
        return found

    def add(self, rule: Rule, message: str, manifest: Manifest, path: FieldPath = (), *, hint: str = "") -> None:
        """Report a finding at a field of an object."""
        self.report.add(rule, message, manifest.span(path), path=path, object=manifest.ref, hint=hint)

    def list_refs(self) -> list[ObjectRef]:
        """Every object of this dialect."""
        return [item.ref for group, kind in KINDS for item in self.index.all(group, kind)]


def origin(manifest: Manifest, path: FieldPath = ()) -> Origin:
    """The origin of a node read from a field of an object."""
    return origins_of(manifest).at(path)
