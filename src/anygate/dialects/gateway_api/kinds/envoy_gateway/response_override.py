"""Responses that the gateway makes up: fixed bodies, replaced errors, redirects."""

from typing import Literal, Self

from pydantic import Field, model_validator

from anygate.dialects.gateway_api.kinds.httpfilter import HTTPPathModifier
from anygate.dialects.gateway_api.kinds.references import LocalObjectReference
from anygate.dialects.gateway_api.kinds.route import HTTPHeaderFilter
from anygate.dialects.gateway_api.kinds.sequences import NonEmpty
from anygate.dialects.gateway_api.kinds.violations import Violations, check_exactly_one, check_selected
from anygate.manifests.fields import Port, PreciseHostname
from anygate.manifests.kind import Node


class StatusCodeRange(Node):
    """Status codes from start to end, both included."""

    start: int
    end: int

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        found = Violations()
        if self.end <= self.start:
            found.add("must be greater than start", "end")
        found.refuse()
        return self


class StatusCodeMatch(Node):
    """A status code or a range of them."""

    type: Literal["Value", "Range"] = "Value"
    value: int | None = None
    range: StatusCodeRange | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(found, "type", self.type, {"Value": ("value", self.value), "Range": ("range", self.range)})
        found.refuse()
        return self


class CustomResponseMatch(Node):
    """Any of the status codes."""

    status_codes: NonEmpty[StatusCodeMatch] = Field(max_length=50)


class CustomResponseBody(Node):
    """A body, inline or from the key `response.body` of a ConfigMap."""

    type: Literal["Inline", "ValueRef"] = "Inline"
    inline: str | None = None
    value_ref: LocalObjectReference | None = None

    @model_validator(mode="after")
    def _check_type(self) -> Self:
        found = Violations()
        check_selected(
            found,
            "type",
            self.type,
            {"Inline": ("inline", self.inline), "ValueRef": ("valueRef", self.value_ref)},
        )
        if self.value_ref is not None and (self.value_ref.group, self.value_ref.kind) != ("", "ConfigMap"):
            found.add("must be ConfigMap", "valueRef", "kind")
        found.refuse()
        return self


def check_no_removal(found: Violations, header: HTTPHeaderFilter | None) -> None:
    """Refuse removal of headers, which made-up responses do not support."""
    if header is not None and header.remove:
        found.add("removal of headers is not supported here", "header", "remove", code="forbidden")


class CustomResponse(Node):
    """A response; the status stays as it is unless given."""

    content_type: str | None = None
    body: CustomResponseBody | None = None
    status_code: int | None = None
    header: HTTPHeaderFilter | None = None

    @model_validator(mode="after")
    def _check_header(self) -> Self:
        found = Violations()
        check_no_removal(found, self.header)
        found.refuse()
        return self


class CustomRedirect(Node):
    """A redirect."""

    scheme: Literal["http", "https"] | None = None
    hostname: PreciseHostname | None = None
    path: HTTPPathModifier | None = None
    port: Port | None = None
    status_code: Literal[301, 302] = 302

    @model_validator(mode="after")
    def _check_path(self) -> Self:
        found = Violations()
        if self.path is not None and self.path.type != "ReplaceFullPath":
            found.add("must be ReplaceFullPath here", "path", "type")
        found.refuse()
        return self


class ResponseOverride(Node):
    """Replaces responses by status; the first override that matches counts."""

    match: CustomResponseMatch
    response: CustomResponse | None = None
    redirect: CustomRedirect | None = None
    # Local: those that Envoy makes itself; Backend: those of backends.
    source: Literal["All", "Local", "Backend"] | None = None

    @model_validator(mode="after")
    def _check_answer(self) -> Self:
        found = Violations()
        check_exactly_one(found, response=self.response, redirect=self.redirect)
        found.refuse()
        return self
