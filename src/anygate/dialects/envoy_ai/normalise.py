"""Every shape that the kinds have had, as the one of v1beta1, with a remark for each rewrite.

Pure functions. What is normal keeps its object; `Normal.path` leads from a field of the new shape to the field that
the user wrote, so that later remarks point there. With `strict`, what is accepted only here is an error with the
words of a cluster that refuses it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from anygate.diagnostics import Diagnostic, FieldPath, ObjectRef, Report, Rule, Severity, Span
from anygate.dialects.envoy_ai import findings
from anygate.dialects.envoy_ai.kinds.aigatewayroute import (
    AIGatewayRoute,
    AIGatewayRouteRule,
    AIGatewayRouteRuleBackendRef,
    AIGatewayRouteSpec,
    AIGatewayRouteSpecV1Alpha1,
    AIGatewayRouteV1Alpha1,
)
from anygate.dialects.envoy_ai.kinds.aiservicebackend import (
    NOT_A_BACKEND,
    AIServiceBackend,
    AIServiceBackendSpec,
    AIServiceBackendSpecV1Alpha1,
    AIServiceBackendV1Alpha1,
)
from anygate.dialects.envoy_ai.kinds.backendsecuritypolicy import (
    GCP_EXACTLY_ONE,
    BackendSecurityPolicy,
    BackendSecurityPolicySpec,
    BackendSecurityPolicyV1Alpha1,
)
from anygate.dialects.envoy_ai.kinds.gatewayconfig import GatewayConfig, GatewayConfigSpec
from anygate.dialects.envoy_ai.kinds.groups import OLD_POOL_GROUP, POOL_GROUP
from anygate.dialects.envoy_ai.kinds.inferencepool import (
    DEFAULT_PICKER_PORT,
    EndpointPickerRef,
    InferencePool,
    InferencePoolSpec,
    InferencePoolV1Alpha2,
    PoolPort,
    PoolSelector,
)
from anygate.dialects.envoy_ai.kinds.parents import HTTPRouteTimeouts
from anygate.manifests.kind import Kind, Node
from anygate.manifests.references import ParentReference

MAX_RULES = 15
"""Rules of a route that a cluster takes."""

S = TypeVar("S", bound=Node)
N = TypeVar("N", bound=Node)


@dataclass(frozen=True)
class Normal(Generic[S]):
    """An object and its spec in the newest shape.

    `remarks` are all that was found so far, reading included; `moved` maps fields of the new shape to those they
    were read from.
    """

    kind: Kind
    spec: S
    remarks: tuple[Diagnostic, ...] = ()
    moved: Mapping[FieldPath, FieldPath] = field(default_factory=dict)

    @property
    def ref(self) -> ObjectRef:
        """The object's identity."""
        return self.kind.ref

    @property
    def refused(self) -> bool:
        """Whether a remark says that the object must not be used."""
        return any(remark.severity is Severity.ERROR for remark in self.remarks)

    def path(self, path: FieldPath) -> FieldPath:
        """Where the field at `path` of the new shape stands in the object."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.moved:
                return (*self.moved[path[:end]], *path[end:])
        return path

    def span(self, path: FieldPath = ()) -> Span:
        """Where the value of a field of the new shape stands in the text."""
        return self.kind.span(self.path(path))


@dataclass(frozen=True)
class NormalBackend(Normal[AIServiceBackendSpec]):
    """A backend, with what older shapes said there and newer ones say elsewhere."""

    # The BackendSecurityPolicy that has the backend as a target; at `spec.backendSecurityPolicyRef`.
    policy_name: str | None = None
    # For rules without their own; at `spec.timeouts`.
    timeouts: HTTPRouteTimeouts | None = None


class _Notes:
    """Remarks on one object, after those of its reading."""

    def __init__(self, kind: Kind, strict: bool = False) -> None:
        self._kind = kind
        self._strict = strict
        self._report = Report()
        self._report.extend(kind.remarks)

    def add(self, rule: Rule, message: str, *path: str | int, hint: str = "", refusal: str = "") -> None:
        """Note a rewrite of the field at `path`; `refusal` is what a cluster says that does not take it."""
        refuses = self._strict and bool(refusal)
        self._report.add(
            rule,
            refusal if refuses else message,
            self._kind.span(path),
            path=path,
            object=self._kind.ref,
            hint=hint,
            severity=Severity.ERROR if refuses else None,
        )

    @property
    def all(self) -> tuple[Diagnostic, ...]:
        return self._report.diagnostics


def normalise_route(kind: AIGatewayRoute | AIGatewayRouteV1Alpha1, strict: bool = False) -> Normal[AIGatewayRouteSpec]:
    """A route: `targetRefs` become `parentRefs`, `schema` and `filterConfig` go, pools get their new group."""
    notes = _Notes(kind, strict)
    moved: dict[FieldPath, FieldPath] = {}
    spec: AIGatewayRouteSpec = kind.spec
    if isinstance(spec, AIGatewayRouteSpecV1Alpha1):
        parents = spec.parent_refs
        if spec.target_refs:
            parents = _read_targets(spec, notes)
            moved["spec", "parentRefs"] = ("spec", "targetRefs")
        if spec.api_schema is not None:
            notes.add(findings.ROUTE_SCHEMA, "schema is ignored", "spec", "schema", hint="remove it")
        if spec.filter_config is not None:
            _note_filter(spec, notes)
        spec = _reshape(spec, AIGatewayRouteSpec, parent_refs=parents)
    if len(spec.rules) > MAX_RULES:
        notes.add(
            findings.TOO_MANY_RULES,
            f"{len(spec.rules)} rules are more than the {MAX_RULES} that a cluster takes",
            "spec",
            "rules",
            hint="spread them over several routes",
            refusal=f"Too many: {len(spec.rules)}: must have at most {MAX_RULES} items",
        )
    rules = tuple(_normalise_rule(rule, notes, index) for index, rule in enumerate(spec.rules))
    return Normal(kind, spec.model_copy(update={"rules": rules}), notes.all, moved)


def _read_targets(spec: AIGatewayRouteSpecV1Alpha1, notes: _Notes) -> tuple[ParentReference, ...]:
    notes.add(
        findings.TARGET_REFS,
        "targetRefs is read as parentRefs",
        "spec",
        "targetRefs",
        hint="rename it to parentRefs",
    )
    for index, target in enumerate(spec.target_refs):
        if target.section_name is not None:
            at = ("spec", "targetRefs", index, "sectionName")
            notes.add(findings.TARGET_REFS, "sectionName is honoured here; v0.2 attached to all listeners", *at)
    return tuple(
        ParentReference.model_construct(
            group=target.group, kind=target.kind, name=target.name, section_name=target.section_name
        )
        for target in spec.target_refs
    )


def _note_filter(spec: AIGatewayRouteSpecV1Alpha1, notes: _Notes) -> None:
    assert spec.filter_config is not None
    never = "; type DynamicModule was never implemented" if spec.filter_config.type == "DynamicModule" else ""
    hint = "remove it; a GatewayConfig describes the filter of newer releases"
    notes.add(findings.FILTER_CONFIG, f"filterConfig is ignored{never}", "spec", "filterConfig", hint=hint)


def _normalise_rule(rule: AIGatewayRouteRule, notes: _Notes, index: int) -> AIGatewayRouteRule:
    at = ("spec", "rules", index, "backendRefs")
    for place, ref in enumerate(rule.backend_refs):
        if ref.is_pool:
            _note_pool_settings(ref, notes, *at, place)
    if not any(ref.group == OLD_POOL_GROUP for ref in rule.backend_refs):
        return rule
    refs = []
    for place, ref in enumerate(rule.backend_refs):
        if ref.group == OLD_POOL_GROUP:
            notes.add(
                findings.POOL_GROUP_RENAMED,
                f"group {OLD_POOL_GROUP} is read as {POOL_GROUP}",
                *at,
                place,
                "group",
                hint=f"use {POOL_GROUP}",
                refusal="only InferencePool from inference.networking.k8s.io group is supported",
            )
        refs.append(ref.model_copy(update={"group": POOL_GROUP}) if ref.group == OLD_POOL_GROUP else ref)
    return rule.model_copy(update={"backend_refs": tuple(refs)})


def _note_pool_settings(ref: AIGatewayRouteRuleBackendRef, notes: _Notes, *at: str | int) -> None:
    settings = (
        ("modelNameOverride", bool(ref.model_name_override)),
        ("priority", ref.priority != 0),
        ("headerMutation", ref.header_mutation is not None),
        ("bodyMutation", ref.body_mutation is not None),
    )
    for name, present in settings:
        if present:
            text = f"{name} is ignored for an InferencePool"
            notes.add(findings.POOL_SETTING_IGNORED, text, *at, name)


def normalise_backend(
    kind: AIServiceBackend | AIServiceBackendV1Alpha1, strict: bool = False, version_is_prefix: bool = False
) -> NormalBackend:
    """A backend: its policy, its timeouts and the `version` of OpenAI in older shapes, and a Service behind it.

    `version_is_prefix` reads that version as v0.5 did, whatever else the object shows.
    """
    notes = _Notes(kind, strict)
    moved: dict[FieldPath, FieldPath] = {}
    spec = kind.spec
    is_old = spec.backend_ref.is_service
    policy_name, timeouts = None, None
    if spec.backend_ref.is_service:
        _note_service(notes)
    if isinstance(spec, AIServiceBackendSpecV1Alpha1):
        if spec.backend_security_policy_ref is not None:
            policy_name = spec.backend_security_policy_ref.name
            text = f"backendSecurityPolicyRef is read as a target of BackendSecurityPolicy {policy_name}"
            hint = "name the backend in the policy's targetRefs"
            notes.add(findings.POLICY_REF, text, "spec", "backendSecurityPolicyRef", hint=hint)
        if spec.timeouts is not None:
            timeouts = spec.timeouts
            text = "timeouts are read as those of rules without their own that name this backend first"
            notes.add(findings.BACKEND_TIMEOUTS, text, "spec", "timeouts", hint="set timeouts in the routes' rules")
        is_old = is_old or policy_name is not None or timeouts is not None
    schema = spec.api_schema
    if schema.name == "OpenAI" and schema.version is not None:
        reads = isinstance(kind, AIServiceBackendV1Alpha1) and schema.prefix is None and (is_old or version_is_prefix)
        hint = "use prefix" if schema.prefix is None else "remove it; prefix is what counts"
        text = "version of schema OpenAI is read as prefix" if reads else "version of schema OpenAI is ignored"
        notes.add(findings.SCHEMA_VERSION, text, "spec", "schema", "version", hint=hint)
        if reads:
            schema = schema.model_copy(update={"prefix": schema.version})
            moved["spec", "schema", "prefix"] = ("spec", "schema", "version")
        schema = schema.model_copy(update={"version": None})
    normal = _reshape(spec, AIServiceBackendSpec, api_schema=schema)
    return NormalBackend(kind, normal, notes.all, moved, policy_name, timeouts)


def _note_service(notes: _Notes) -> None:
    notes.add(
        findings.SERVICE_BACKEND,
        "a Service is accepted here, but a cluster takes only a Backend",
        "spec",
        "backendRef",
        hint="refer to a Backend of gateway.envoyproxy.io with the Service's DNS name",
        refusal=NOT_A_BACKEND,
    )


def normalise_policy(
    kind: BackendSecurityPolicy | BackendSecurityPolicyV1Alpha1, strict: bool = False
) -> Normal[BackendSecurityPolicySpec]:
    """A policy: GCP credentials without a source are the environment's."""
    notes = _Notes(kind, strict)
    gcp = kind.spec.gcp_credentials
    if isinstance(kind, BackendSecurityPolicy):
        return Normal(kind, kind.spec, notes.all)
    if gcp is not None and gcp.credentials_file is None and gcp.workload_identity_federation_config is None:
        notes.add(
            findings.DEFAULT_CREDENTIALS,
            "without a file or a federation, the environment's default credentials are used",
            "spec",
            "gcpCredentials",
            hint="use apiVersion aigateway.envoyproxy.io/v1beta1",
            refusal=GCP_EXACTLY_ONE,
        )
    return Normal(kind, _reshape(kind.spec, BackendSecurityPolicySpec), notes.all)


def normalise_pool(kind: InferencePool | InferencePoolV1Alpha2) -> Normal[InferencePoolSpec]:
    """A pool: the shape of v1."""
    notes = _Notes(kind)
    if isinstance(kind, InferencePool):
        return Normal(kind, kind.spec, notes.all)
    notes.add(
        findings.POOL_GROUP_RENAMED,
        f"the pool is read as one of {POOL_GROUP}/v1",
        "apiVersion",
        hint=f"use {POOL_GROUP}/v1",
    )
    old = kind.spec.extension_ref
    picker = EndpointPickerRef.model_construct(
        group=old.group,
        kind=old.kind,
        name=old.name,
        port=PoolPort.model_construct(number=old.port_number or DEFAULT_PICKER_PORT),
        failure_mode=old.failure_mode,
    )
    spec = InferencePoolSpec.model_construct(
        selector=PoolSelector.model_construct(match_labels=kind.spec.selector),
        target_ports=(PoolPort.model_construct(number=kind.spec.target_port_number),),
        endpoint_picker_ref=picker,
    )
    moved: dict[FieldPath, FieldPath] = {
        ("spec", "selector", "matchLabels"): ("spec", "selector"),
        ("spec", "targetPorts"): ("spec", "targetPortNumber"),
        ("spec", "targetPorts", 0, "number"): ("spec", "targetPortNumber"),
        ("spec", "endpointPickerRef"): ("spec", "extensionRef"),
        ("spec", "endpointPickerRef", "port", "number"): ("spec", "extensionRef", "portNumber"),
    }
    return Normal(kind, spec, notes.all, moved)


def normalise_config(kind: GatewayConfig) -> Normal[GatewayConfigSpec]:
    """A GatewayConfig: the container is left out."""
    notes = _Notes(kind)
    if kind.spec.ext_proc is not None and kind.spec.ext_proc.kubernetes is not None:
        at = ("spec", "extProc", "kubernetes")
        notes.add(findings.CONTAINER_IGNORED, "there is no container here, so its settings are ignored", *at)
    return Normal(kind, kind.spec, notes.all)


def find_timeouts(
    rule: AIGatewayRouteRule, find_backend: Callable[[AIGatewayRouteRuleBackendRef], NormalBackend | None]
) -> tuple[HTTPRouteTimeouts | None, NormalBackend | None]:
    """A rule's timeouts: its own, else those of its first backend, which is then given too."""
    if rule.timeouts is not None or not rule.backend_refs or rule.backend_refs[0].is_pool:
        return rule.timeouts, None
    backend = find_backend(rule.backend_refs[0])
    if backend is None or backend.timeouts is None:
        return None, None
    return backend.timeouts, backend


def _reshape(spec: Node, model: type[N], **changes: Any) -> N:
    """The fields of `spec` that `model` has too, as one; they have been validated."""
    values = {name: getattr(spec, name) for name in model.model_fields if hasattr(spec, name)}
    written = (spec.model_fields_set & model.model_fields.keys()) | changes.keys()
    return model.model_construct(_fields_set=set(written), **{**values, **changes})
