"""Manifests that the examples of this dialect's rules share."""

GATEWAY = """
    apiVersion: gateway.networking.k8s.io/v1
    kind: Gateway
    metadata: {name: web}
    spec: {gatewayClassName: nantian, listeners: [{name: http, port: 80, protocol: HTTP}]}
    ---
"""
AI_ROUTE = (
    GATEWAY
    + """\
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: chat}
    spec:
      parentRefs: [{name: web}]
      rules: [{backendRefs: [{group: gateway.nantian.dev, kind: AIService, name: gpt}]}]
    ---
"""
)
AI_SERVICE = """
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: AIService
    metadata: {name: gpt}
    spec: {provider: openai, model: gpt-4o}
"""
