"""Manifests for model providers: what somebody would write by hand."""

from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from anygate.model.inference import MODEL_HEADER
from anygate.runner.environment_services import Api, Service

PORT = 1975
_GATEWAY = "anygate"
_AI = "aigateway.envoyproxy.io/v1beta1"
_ENVOY = "gateway.envoyproxy.io/v1alpha1"
_BUFFER = "50Mi"
_MOST_MATCHES = 128
_BLANK = "put-your-key-here"
_COSTS = {
    "llm_input_token": "InputToken",
    "llm_cached_input_token": "CachedInputToken",
    "llm_output_token": "OutputToken",
    "llm_reasoning_token": "ReasoningToken",
    "llm_total_token": "TotalToken",
}


def write_manifests(services: Sequence[Service], *, blank: bool = False) -> str:
    """Write the manifests as YAML; `blank` leaves the secrets out."""
    objects = [*_write_gateway(), _write_route(services)]
    objects += [one for service in services for one in _write_service(service, blank)]
    return yaml.safe_dump_all(objects, sort_keys=False, width=1 << 20)


def _write_gateway() -> Iterator[dict[str, Any]]:
    listeners = [{"name": "http", "port": PORT, "protocol": "HTTP"}]
    yield _object(
        "gateway.networking.k8s.io/v1", "Gateway", _GATEWAY, {"gatewayClassName": _GATEWAY, "listeners": listeners}
    )
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": _GATEWAY}
    yield _object(
        _ENVOY, "ClientTrafficPolicy", _GATEWAY, {"targetRefs": [target], "connection": {"bufferLimit": _BUFFER}}
    )


def _write_route(services: Sequence[Service]) -> dict[str, Any]:
    spec = {
        "parentRefs": [{"name": _GATEWAY, "kind": "Gateway", "group": "gateway.networking.k8s.io"}],
        "rules": list(_write_rules(services)),
        "llmRequestCosts": [{"metadataKey": key, "type": kind} for key, kind in _COSTS.items()],
    }
    return _object(_AI, "AIGatewayRoute", _GATEWAY, spec)


def _write_rules(services: Sequence[Service]) -> Iterator[dict[str, Any]]:
    """One rule for each API; the earlier one wins a model that two of them would take.

    A single provider gets every model; so does one of several that may serve anything.
    """
    names = {service.name for service in services}
    both = {"openai", "azure"} <= names
    for service in services:
        if both and service.name == "azure":
            continue
        backups: list[dict[str, Any]] = [{"name": "azure", "priority": 1}] if both and service.name == "openai" else []
        takes_all = service.takes_all or len(services) == 1 or (both and len(services) == 2)
        for api in service.apis:
            matches = _write_matches(api)
            # What the last of them takes it takes by the rule for everything; names are said to be listed.
            if matches and (api.models or not takes_all or api is not service.apis[-1]):
                yield _write_rule(api.name, matches, [{"name": api.name}, *backups])
        if takes_all:
            yield _write_rule("any", [], [{"name": service.apis[-1].name}, *backups])


def _write_rule(name: str, matches: list[dict[str, Any]], backends: list[dict[str, Any]]) -> dict[str, Any]:
    # Without matches a rule takes what no other does. The default of 60 s would cut off long answers.
    rule = {"name": name, "matches": matches, "backendRefs": backends, "timeouts": {"request": "0s"}}
    return {key: value for key, value in rule.items() if value}


def _write_matches(api: Api) -> list[dict[str, Any]]:
    wanted = [("Exact", name) for name in api.models] + [("RegularExpression", one) for one in api.patterns]
    return [
        {"headers": [{"type": kind, "name": MODEL_HEADER, "value": value}]} for kind, value in wanted[:_MOST_MATCHES]
    ]


def _write_service(service: Service, blank: bool) -> Iterator[dict[str, Any]]:
    for api in service.apis:
        spec: dict[str, Any] = {
            "schema": dict(api.schema),
            "backendRef": {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": service.name},
        }
        if api.headers:
            spec["headerMutation"] = {"set": [{"name": name, "value": value} for name, value in api.headers]}
        yield _object(_AI, "AIServiceBackend", api.name, spec)
    yield from _write_backend(service)
    if service.policy:
        targets = [
            {"group": "aigateway.envoyproxy.io", "kind": "AIServiceBackend", "name": api.name} for api in service.apis
        ]
        spec = {"targetRefs": targets, **_name_secret(service.policy, service.name)}
        yield _object(_AI, "BackendSecurityPolicy", service.name, spec)
    if service.secrets:
        values = {key: _BLANK if blank else value for key, value in service.secrets.items()}
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": service.name}, "stringData": values}


def _write_backend(service: Service) -> Iterator[dict[str, Any]]:
    address = service.address
    form = (
        {"ip": {"address": address.host, "port": address.port}}
        if address.is_ip
        else {"fqdn": {"hostname": address.host, "port": address.port}}
    )
    yield _object(_ENVOY, "Backend", service.name, {"endpoints": [form]})
    if address.tls:
        target = {"group": "gateway.envoyproxy.io", "kind": "Backend", "name": service.name}
        validation = {"hostname": address.host, "wellKnownCACertificates": "System"}
        spec = {"targetRefs": [target], "validation": validation}
        yield _object("gateway.networking.k8s.io/v1", "BackendTLSPolicy", service.name, spec)


def _name_secret(block: Any, name: str) -> Any:
    """The block with the name of the service's Secret wherever it refers to it."""
    if not isinstance(block, dict):
        return block
    return {
        key: {"name": name} if key.lower().endswith("secretref") else _name_secret(value, name)
        for key, value in block.items()
    }


def _object(version: str, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
