"""What is said of credentials that cannot be fetched."""

from collections.abc import Iterable

from anygate.compiler import origin_span
from anygate.credentials.rotation import Failed, Fetched
from anygate.diagnostics import ObjectRef, Report, Rule, Severity, SourceFile

CREDENTIAL_NOT_FETCHED = Rule(
    "credential-not-fetched",
    Severity.ERROR,
    what="A credential for a backend could not be fetched or renewed.",
    why="Without it requests to the backend are answered with 401, or 503 for AWS. It is tried again every minute; "
    "until a credential that was fetched before runs out, requests go on with that.",
    wrong="""
    # an address at which nobody gives out tokens
    azureCredentials:
      clientID: gateway
      tenantID: no-such-tenant
      clientSecretRef: {name: azure}
    """,
    right="""
    azureCredentials:
      clientID: gateway
      tenantID: 9a1d5f0e-0000-4000-8000-000000000000
      clientSecretRef: {name: azure}
    """,
    external=True,
)


def report_failure(failure: Failed, sources: Iterable[SourceFile], report: Report) -> None:
    """Report a failure on the object that asks for the credential; a warning while the last one is still good."""
    origin = failure.wanted.origin
    hint = "it is tried again every minute"
    if failure.left:
        hint += f"; the last one is good for another {render_seconds(failure.left)}"
    report.add(
        CREDENTIAL_NOT_FETCHED,
        f"{origin.object}: no credential: {failure.text}",
        origin_span(origin, sources),
        object=ObjectRef("", origin.kind, origin.namespace, origin.name),
        hint=hint,
        severity=Severity.WARNING if failure.left else None,
    )


def describe_recovery(fetched: Fetched) -> str:
    """Say that a credential is there after all."""
    return f"{fetched.wanted.origin.object}: the credential was fetched"


def render_seconds(seconds: float) -> str:
    """A time for people: `50 s`, `4 min`, `2 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.0f} h"
