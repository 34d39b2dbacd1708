"""The diagnostics of AIServices; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.nantian.examples import AI_ROUTE, AI_SERVICE


def _service(more: str) -> str:
    return AI_SERVICE.replace("model: gpt-4o}", f"model: gpt-4o, {more}}}")


_KEY = """
    ---
    apiVersion: v1
    kind: Secret
    metadata: {name: openai}
    stringData: {token: sk-1}
"""

AI_SERVICE_NOT_FOUND = Rule(
    "ai-service-not-found",
    Severity.ERROR,
    what="A route sends requests to an AIService that no manifest defines, or that cannot be used.",
    why="Its share of the requests is answered with 500.",
    wrong=AI_ROUTE.replace("name: gpt", "name: gtp") + AI_SERVICE,
    right=AI_ROUTE + AI_SERVICE,
)

AI_SECRET = Rule(
    "ai-service-secret",
    Severity.ERROR,
    what="The credential of an AIService cannot be had from its Secret.",
    why="Without it the provider would refuse every request, so requests for the service are answered with 500.",
    wrong=AI_ROUTE + _service("auth: {type: bearer, secret: opneai}") + _KEY,
    right=AI_ROUTE + _service("auth: {type: bearer, secret: openai}") + _KEY,
)

AI_PROVIDER = Rule(
    "ai-service-provider",
    Severity.ERROR,
    what="An AIService names a provider or a format that is not known, and nothing else says where or how it answers.",
    why="Requests for the service are answered with 500.",
    wrong=AI_ROUTE + AI_SERVICE.replace("provider: openai", "provider: acme"),
    right=AI_ROUTE + _service("endpoint: 'https://llm.example.com/v1'").replace("provider: openai", "provider: acme"),
)

AI_PLAIN_ENDPOINT = Rule(
    "ai-service-plain",
    Severity.NOTE,
    what="An AIService is reached without TLS.",
    why="That is right for a model on this machine; elsewhere prompts and keys can be read on the way.",
    wrong=AI_ROUTE + _service("endpoint: 'http://llm.example.com/v1'"),
    right=AI_ROUTE + _service("endpoint: 'https://llm.example.com/v1'"),
)

AI_NOT_HONOURED = Rule(
    "ai-service-not-honoured",
    Severity.WARNING,
    what="An AIService asks for something that is not done here.",
    why="Requests pass without it.",
    wrong=AI_ROUTE + _service("piiMasking: {enabled: true, mode: mask}"),
    right=AI_ROUTE + AI_SERVICE,
)

AI_GUARD = Rule(
    "ai-service-guard",
    Severity.ERROR,
    what="A pattern of an AIService's prompt guard is no regular expression that can be asked.",
    why="What it was meant to stop must not pass: requests for the service are answered with 500.",
    wrong=AI_ROUTE + _service("promptGuard: {customPatterns: ['(unclosed']}"),
    right=AI_ROUTE + _service("promptGuard: {customPatterns: ['(closed)']}"),
)

AI_PRICE = Rule(
    "ai-service-price",
    Severity.WARNING,
    what="A price is above $1 for 1,000 tokens.",
    why="Prices are per 1,000 tokens; lists often give them per million, and costs would be 1,000 times too high.",
    wrong=AI_ROUTE + _service("cost: {pricing: {gpt-4o: {inputPer1k: 2.5, outputPer1k: 10}}}"),
    right=AI_ROUTE + _service("cost: {pricing: {gpt-4o: {inputPer1k: 0.0025, outputPer1k: 0.01}}}"),
)

AI_CLEAR_KEY = Rule(
    "ai-service-clear-key",
    Severity.WARNING,
    what="The secret key of Langfuse stands in an AIService.",
    why="Whoever may read the manifest has the key. It is shown nowhere else.",
    wrong=AI_ROUTE + _service("observability: {langfuse: {host: 'https://l.example.com', publicKey: p, secretKey: s}}"),
    right=AI_ROUTE
    + _service("observability: {langfuse: {host: 'https://l.example.com', publicKey: p, secretKey: {secret: openai}}}")
    + _KEY,
)

AI_NO_PATH = Rule(
    "ai-service-no-path",
    Severity.WARNING,
    what="A rule sends requests to AIServices, and none of its paths is one of an AI API.",
    why="They pass as they are, with the service's credential: the model is not set and no format is translated.",
    wrong=AI_ROUTE.replace(
        "rules: [{backendRefs", "rules: [{matches: [{path: {type: PathPrefix, value: /llm}}], backendRefs"
    )
    + AI_SERVICE,
    right=AI_ROUTE.replace(
        "rules: [{backendRefs",
        "rules: [{matches: [{path: {type: PathPrefix, value: /llm}}], filters: [{type: URLRewrite, urlRewrite: {path: "
        "{type: ReplacePrefixMatch, replacePrefixMatch: /}}}], backendRefs",
    )
    + AI_SERVICE,
)

AI_STANDS_ALONE = Rule(
    "ai-service-stands-alone",
    Severity.WARNING,
    what="A backendRef with filters of its own is one of several to AIServices.",
    why="It takes its share of the requests, but none stands in for it when it fails, nor it for another.",
    wrong=AI_ROUTE.replace(
        "name: gpt}]",
        "name: gpt}, {group: gateway.nantian.dev, kind: AIService, name: gpt, filters: [{type: RequestHeaderModifier, "
        "requestHeaderModifier: {set: [{name: x-team, value: a}]}}]}]",
    )
    + AI_SERVICE,
    right=AI_ROUTE + AI_SERVICE,
)
