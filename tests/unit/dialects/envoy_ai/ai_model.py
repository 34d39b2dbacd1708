"""Compiles manifests to the model for the tests of this folder."""

from typing import Any

from anygate.compiler import CompileCache, Read, read_sources
from anygate.diagnostics import Report, SourceFile
from anygate.model.listener import Server
from anygate.model.route import HttpRoute, HttpRule

GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web}
spec:
  gatewayClassName: envoy
  listeners:
  - {name: http, port: 80, protocol: HTTP}
"""
GRANT = """
apiVersion: gateway.networking.k8s.io/v1beta1
kind: ReferenceGrant
metadata: {name: grant, namespace: %s}
spec:
  from: [{group: aigateway.envoyproxy.io, kind: %s, namespace: default}]
  to: [%s]
"""


def provider(name: str, schema: str = "OpenAI", namespace: str = "default", **more: str) -> str:
    """An AIServiceBackend with its Backend; `more` are further fields of its spec as YAML."""
    fields = "".join(f"\n  {key}: {value}" for key, value in more.items())
    described = schema if schema.startswith("{") else f"{{name: {schema}}}"
    return f"""
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{endpoints: [{{fqdn: {{hostname: {name}.example.com, port: 443}}}}], tls: {{wellKnownCACertificates: System}}}}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIServiceBackend
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  schema: {described}
  backendRef: {{group: gateway.envoyproxy.io, kind: Backend, name: {name}}}{fields}
"""


def secret(name: str = "keys", namespace: str = "default", **values: str) -> str:
    """A Secret."""
    contents = ", ".join(f"{key}: {value}" for key, value in (values or {"apiKey": "sesame"}).items())
    return (
        f"\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n"
        f"stringData: {{{contents}}}\n"
    )


def policy(spec: str, name: str = "key", target: str = "openai") -> str:
    """A BackendSecurityPolicy for one AIServiceBackend."""
    indented = "".join(f"  {line}\n" for line in spec.strip("\n").split("\n"))
    return f"""
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: BackendSecurityPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: aigateway.envoyproxy.io, kind: AIServiceBackend, name: {target}}}]
{indented}"""


def route(rules: str, name: str = "chat", more: str = "", metadata: str = "") -> str:
    """An AIGatewayRoute; `rules` is a YAML list, `more` are further fields of its spec."""
    fields = "".join(f"  {line}\n" for line in more.strip("\n").split("\n")) if more else ""
    listed = "".join(f"  {line}\n" for line in rules.strip("\n").split("\n"))
    return f"""
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {{name: {name}{metadata}}}
spec:
  parentRefs: [{{name: web}}]
{fields}  rules:
{listed}"""


def model_rule(model: str, *refs: str, more: str = "") -> str:
    """A rule that matches one model."""
    backends = "".join(f"\n  - {ref}" for ref in refs)
    return f"- matches: [{{headers: [{{name: x-ai-eg-model, value: {model}}}]}}]{more}\n  backendRefs:{backends}"


class Outcome:
    """What manifests were read to."""

    def __init__(self, *documents: str, cache: CompileCache | None = None) -> None:
        report = Report()
        text = "\n---\n".join(one.strip("\n") for one in documents)
        self.read: Read = read_sources([SourceFile("in.yaml", text)], report, cache)
        self.model = self.read.model
        self.found = report.diagnostics

    @property
    def rules_found(self) -> list[str]:
        """The ids of the diagnostics, without the two notes that most manifests here get."""
        usual = ("ai-buffer-limit", "ai-stream-timeout")
        return [one.rule for one in self.found if one.rule not in usual]

    @property
    def server(self) -> Server:
        """The only server."""
        ((listener,),) = [gateway.listeners for gateway in self.model.gateways]
        (server,) = listener.servers
        return server

    def route(self, name: str = "default/chat") -> HttpRoute:
        """A route by its name in the model."""
        (found,) = [one for one in self.server.routes if one.name == name]
        return found

    def rule(self, name: str, route: str = "default/chat") -> HttpRule:
        """A rule of a route."""
        (found,) = [one for one in self.route(route).rules if one.name == name]
        return found

    def action(self, name: str) -> Any:
        """What a rule does."""
        return self.rule(name).action

    def targets(self, name: str) -> list[tuple[str, int, int, bool]]:
        """Where a rule sends requests: provider and model, weight, priority, whether translated."""
        backends = {one.name: one for one in self.model.backends}
        found = []
        for target in self.action(name).targets:
            spoken = backends[target.backend].provider
            assert spoken is not None
            label = spoken.name.removeprefix("default/") + (f"={spoken.model}" if spoken.model else "")
            found.append((label, target.weight, target.priority, target.translated))
        return found

    def provider(self, name: str) -> Any:
        """The provider of the only backend of that name."""
        found = [one.provider for one in self.model.backends if one.provider and one.provider.name == name]
        (only,) = found
        return only

    def condition(self, kind: str, name: str, namespace: str = "default") -> tuple[str, str]:
        """Type and message of an object's only condition."""
        (status,) = [
            one.status
            for ref, one in self.read.outcomes.items()
            if (ref.kind, ref.namespace, ref.name) == (kind, namespace, name)
        ]
        (found,) = status["conditions"]
        assert found["status"] == ("True" if found["type"] == "Accepted" else "False")
        return found["type"], found["message"]

    def secret(self, name: str) -> bytes:
        """A secret of the model."""
        (found,) = [one for one in self.model.secrets if one.name == name]
        return found.value.reveal()  # type: ignore[union-attr]
