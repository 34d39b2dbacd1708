"""The stack file to start from."""

from importlib.resources import files

from anygate.dialects.template import Template

TEMPLATES = (
    Template(
        "Stack",
        "components and links, for `anygate links` (APISIX)",
        files("anygate.dialects.apisix.links") / "templates" / "stack.yaml",
        options={"hostname": "lab.example.org"},
        parts=("ports", "oidc", "gateway", "ai"),
    ),
)
"""Not among those of a dialect: a stack is no Kubernetes object."""
