"""Which tools and prompts of an MCP server are shown, and how the gateway authenticates there."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.manifests.fields import Many, SensitiveText
from anygate.manifests.kind import Node
from anygate.manifests.references import SecretObjectReference
from anygate.manifests.violations import Violations


class MCPNameFilter(Node):
    """Names of tools or of prompts, or regular expressions (RE2) for them; what is excluded is never shown."""

    include: Many[str] | None = Field(default=None, max_length=32)
    include_regex: Many[str] | None = Field(default=None, max_length=32)
    exclude: Many[str] | None = Field(default=None, max_length=32)
    exclude_regex: Many[str] | None = Field(default=None, max_length=32)

    @model_validator(mode="after")
    def _check_lists(self) -> Self:
        found = Violations()
        if self.include is not None and self.include_regex is not None:
            found.add("include and includeRegex are mutually exclusive")
        if self.exclude is not None and self.exclude_regex is not None:
            found.add("exclude and excludeRegex are mutually exclusive")
        if all(one is None for one in (self.include, self.include_regex, self.exclude, self.exclude_regex)):
            found.add("at least one of include, includeRegex, exclude, or excludeRegex must be specified")
        found.refuse()
        return self


class MCPBackendAPIKey(Node):
    """The key that the server wants, from a Secret's `apiKey` or inline, and where it goes."""

    secret_ref: SecretObjectReference | None = None
    inline: SensitiveText | None = None
    # Absent, and queryParam too: Authorization, with "Bearer " in front.
    header: str | None = Field(default=None, min_length=1)
    query_param: str | None = Field(default=None, min_length=1)
    injection_policy: Literal["Always", "IfNotPresent"] = "Always"

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        found = Violations()
        if (self.secret_ref is None) == (self.inline is None):
            found.add("exactly one of secretRef or inline must be set")
        if self.header is not None and self.query_param is not None:
            found.add("only one of header or queryParam can be set")
        if self.query_param is not None and self.injection_policy == "IfNotPresent":
            found.add("injectionPolicy cannot be IfNotPresent when queryParam is set")
        found.refuse()
        return self


class MCPBackendSecurityPolicy(Node):
    """How the gateway authenticates at a server."""

    api_key: MCPBackendAPIKey | None = None


class MCPHeaderForward(Node):
    """A header of the client that a server gets, under another name if one is given."""

    name: str = Field(min_length=1)
    backend_header: str | None = Field(default=None, min_length=1)
