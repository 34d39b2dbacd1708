"""BackendTrafficPolicy: how traffic goes from the gateway to backends."""

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from anygate.dialects.gateway_api.kinds.envoy_gateway.admission import AdmissionControl
from anygate.dialects.gateway_api.kinds.envoy_gateway.cluster_settings import ClusterSettings
from anygate.dialects.gateway_api.kinds.envoy_gateway.compression import Compression
from anygate.dialects.gateway_api.kinds.envoy_gateway.fault import FaultInjection
from anygate.dialects.gateway_api.kinds.envoy_gateway.rate_limit import BandwidthLimitSpec, RateLimitSpec
from anygate.dialects.gateway_api.kinds.envoy_gateway.response_override import ResponseOverride
from anygate.dialects.gateway_api.kinds.envoy_gateway.targets import PolicyTargets
from anygate.dialects.gateway_api.kinds.envoy_gateway.tracing import BackendTelemetry
from anygate.dialects.gateway_api.kinds.references import ENVOY_GATEWAY_GROUP
from anygate.dialects.gateway_api.kinds.violations import Violations, check_exclusive
from anygate.manifests.fields import Many, Quantity
from anygate.manifests.kind import Kind, Node

_HTTP_KINDS = ("Gateway", "HTTPRoute", "GRPCRoute")


class ConnectConfig(Node):
    """What becomes of CONNECT requests."""

    # Forward the payload as plain TCP.
    terminate: bool | None = None


class ProtocolUpgradeConfig(Node):
    """A protocol that clients may upgrade to, in any letter case."""

    type: str
    connect: ConnectConfig | None = None

    @model_validator(mode="after")
    def _check_connect(self) -> Self:
        found = Violations()
        if self.connect is not None and self.type != "CONNECT":
            found.add("connect is only allowed when type is CONNECT", "connect", code="forbidden")
        found.refuse()
        return self


class RequestBuffer(Node):
    """Buffer requests whole, or only raise the limit of what filters may buffer."""

    # Bytes; a longer body is answered 413.
    limit: Quantity
    mode: Literal["FullBuffer", "LimitOnly"] = "FullBuffer"


class BackendTrafficPolicySpec(PolicyTargets, ClusterSettings):
    """Targets and settings."""

    target_kinds: ClassVar[tuple[str, ...]] = (*_HTTP_KINDS, "UDPRoute", "TCPRoute", "TLSRoute")

    # Absent: the more specific policy replaces the other.
    merge_type: Literal["StrategicMerge", "JSONMerge"] | None = None
    rate_limit: RateLimitSpec | None = None
    bandwidth_limit: BandwidthLimitSpec | None = None
    fault_injection: FaultInjection | None = None
    admission_control: AdmissionControl | None = None
    # Speak to the backend the HTTP version that the client speaks.
    use_client_protocol: bool | None = None
    # Deprecated form of compressor.
    compression: Many[Compression] | None = None
    # The first is preferred when the client has no preference.
    compressor: Many[Compression] | None = None
    response_override: Many[ResponseOverride] = ()
    # Absent: websocket.
    http_upgrade: Many[ProtocolUpgradeConfig] | None = None
    request_buffer: RequestBuffer | None = None
    telemetry: BackendTelemetry | None = None
    # Absent: as EnvoyProxy says.
    routing_type: Literal["Service", "Endpoint"] | None = None

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        found = Violations()
        check_exclusive(found, compression=self.compression, compressor=self.compressor)
        if self.request_buffer is not None and self.request_buffer.mode == "FullBuffer" and self.http_upgrade:
            text = "requestBuffer with mode FullBuffer cannot be combined with httpUpgrade"
            found.add(text, "requestBuffer", code="forbidden")
        kinds = [target.kind for target in self.targets] + [target.kind for target in self.target_selectors]
        if self.admission_control is not None and any(kind not in _HTTP_KINDS for kind in kinds):
            text = f"admissionControl is only allowed for targets of kind {', '.join(_HTTP_KINDS)}"
            found.add(text, "admissionControl", code="forbidden")
        found.refuse()
        return self


class BackendTrafficPolicy(Kind):
    """Settings of traffic to backends."""

    GROUP: ClassVar[str] = ENVOY_GATEWAY_GROUP
    KIND: ClassVar[str] = "BackendTrafficPolicy"

    spec: BackendTrafficPolicySpec
