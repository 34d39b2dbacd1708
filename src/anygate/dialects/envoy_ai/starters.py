"""The starting manifests of this dialect's kinds."""

from importlib.resources import files

from anygate.dialects.template import Template

_FILES = files("anygate.dialects.envoy_ai") / "templates"

TEMPLATES = (
    Template(
        "AIGatewayRoute",
        "AI requests to providers, by model (Envoy AI Gateway)",
        _FILES / "aigatewayroute.yaml",
        ("air", "aigr"),
        options={
            "gateway": "web",
            "hostname": "ai.example.com",
            "model": "gpt-4o",
            "backend": "openai",
            "override": "gpt-4o-2024-11-20",
            "timeout": "300s",
        },
        derived={"pool": "${name}-pool"},
        parts=("buffer", "weights", "failover", "catch-all", "override", "pool"),
        default_part="buffer",
    ),
    Template(
        "AIServiceBackend",
        "a provider and the API it speaks (Envoy AI Gateway)",
        _FILES / "aiservicebackend.yaml",
        ("aisb",),
        options={"hostname": "api.openai.com", "port": "443"},
        parts=("openai", "anthropic", "azure", "bedrock", "vertex", "cohere"),
        default_part="openai",
    ),
    Template(
        "BackendSecurityPolicy",
        "the credential for a provider (Envoy AI Gateway)",
        _FILES / "backendsecuritypolicy.yaml",
        ("bsp",),
        options={"backend": "${name}"},
        derived={"secret": "${name}-key"},
        parts=("api-key", "anthropic", "azure", "aws", "gcp"),
        default_part="api-key",
    ),
)
"""Every template, in the order in which `new` lists them."""
