"""The diagnostics of TokenPolicies; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.nantian.examples import AI_ROUTE, AI_SERVICE, GATEWAY

_ROUTE = f"{AI_ROUTE}{AI_SERVICE}    ---\n"
_PLAIN = (
    GATEWAY
    + """\
    apiVersion: v1
    kind: Service
    metadata: {name: vllm}
    spec: {ports: [{port: 80}]}
    ---
    apiVersion: v1
    kind: Service
    metadata: {name: spare}
    spec: {ports: [{port: 80}]}
    ---
    apiVersion: gateway.networking.k8s.io/v1
    kind: HTTPRoute
    metadata: {name: chat}
    spec:
      parentRefs: [{name: web}]
      rules: [{backendRefs: [{name: vllm, port: 80}]}]
    ---
"""
)
_TARGET = "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: chat}]"


def _policy(spec: str, target: str = _TARGET) -> str:
    return f"""
    apiVersion: gateway.nantian.dev/v1alpha1
    kind: TokenPolicy
    metadata: {{name: budget}}
    spec:
      {target}
      {spec}
"""


TOKEN_WORD = Rule(
    "token-policy-word",
    Severity.ERROR,
    what="A TokenPolicy counts by a scope, or reacts in a way, that is not known.",
    why="Nobody can tell what it limits, so what it is for is answered with 500.",
    wrong=_ROUTE + _policy("tokensPerMinute: 1000\n      scope: tenant"),
    right=_ROUTE + _policy("tokensPerMinute: 1000\n      scope: user"),
)

TOKEN_BURST = Rule(
    "token-policy-burst",
    Severity.WARNING,
    what="The burst of a TokenPolicy is below 1.",
    why="It multiplies the limits, and never makes them smaller.",
    wrong=_ROUTE + _policy("tokensPerMinute: 1000\n      burst: 0.5"),
    right=_ROUTE + _policy("tokensPerMinute: 1000\n      burst: 1.5"),
)

TOKEN_NO_EFFECT = Rule(
    "token-policy-no-effect",
    Severity.WARNING,
    what="A TokenPolicy has no limit, or nothing that it is for.",
    why="It limits nothing.",
    wrong=_ROUTE + _policy("tokensPerMinute: 0"),
    right=_ROUTE + _policy("tokensPerMinute: 1000"),
)

TOKEN_NOT_FOUND = Rule(
    "token-policy-not-found",
    Severity.ERROR,
    what="An AIService names a TokenPolicy that no manifest defines.",
    why="Requests for it would have no limit, so they are answered with 500.",
    wrong=_ROUTE.replace("model: gpt-4o", "model: gpt-4o, tokenPolicyRef: bugdet")
    + _policy("tokensPerMinute: 1000", ""),
    right=_ROUTE.replace("model: gpt-4o", "model: gpt-4o, tokenPolicyRef: budget")
    + _policy("tokensPerMinute: 1000", ""),
)

TOKEN_NO_MODEL = Rule(
    "token-policy-no-model",
    Severity.WARNING,
    what="A TokenPolicy counts by model, and is for a route whose requests go to no AIService.",
    why="Their model is not read, so that all of them are counted together.",
    wrong=_PLAIN + _policy("requestsPerMinute: 10\n      scope: model"),
    right=_PLAIN + _policy("requestsPerMinute: 10\n      scope: route"),
)

TOKEN_PLAIN = Rule(
    "token-policy-plain",
    Severity.NOTE,
    what="A TokenPolicy limits the tokens of a route whose requests go to no AIService.",
    why="Tokens are read from answers in OpenAI's chat format. Streams have to be asked for their usage by the client; "
    "of others, and of JSON that says nothing, the tokens are estimated from its size.",
    wrong=_PLAIN + _policy("tokensPerMinute: 1000"),
    right=_ROUTE + _policy("tokensPerMinute: 1000"),
)

TOKEN_SHARE = Rule(
    "token-policy-share",
    Severity.WARNING,
    what="A TokenPolicy is for a Service that gets only a part of the requests of a rule.",
    why="Limits are asked before that is decided, so that they hold for all requests of the rule.",
    wrong=_PLAIN.replace("[{name: vllm, port: 80}]", "[{name: vllm, port: 80}, {name: spare, port: 80}]")
    + _policy("requestsPerMinute: 10", "targetRefs: [{kind: Service, name: vllm}]"),
    right=_PLAIN + _policy("requestsPerMinute: 10", "targetRefs: [{kind: Service, name: vllm}]"),
)
