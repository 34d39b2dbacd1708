"""What the chains of all providers of a model have to know of each other."""

from collections.abc import Iterable
from typing import NamedTuple

from anygate.envoy.refusal import CannotBuild
from anygate.model.backend import Backend
from anygate.model.inference import AwsCredential, KeyCredential, Provider

AUTHORIZATION = "authorization"
CREDENTIALS = (
    *(AUTHORIZATION, "proxy-authorization", "cookie", "x-api-key", "api-key", "x-goog-api-key"),
    *("x-amz-date", "x-amz-security-token", "x-amz-content-sha256"),
)
"""Where gateways and providers look for credentials: the client's are for this gateway, the others for one provider."""


class Setting(NamedTuple):
    """Facts about all providers together, and where files with credentials are.

    `edited` are headers that some provider edits, which the others have to get as the client sent them; `sources` those
    that credentials are taken from, `targets` those that they are put into: both are for one provider only. `passed`
    are those that some provider gets the client's own in, where another may have put its key before.
    """

    folder: str = ""
    edited: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[str, ...]:
        """Headers that every attempt gets as the client sent them, before its own changes."""
        return tuple(sorted({*self.edited, *self.sources, *self.passed}))


def survey(backends: Iterable[Backend], folder: str = "") -> Setting:
    """Gather the facts. They are sorted, so that the order of backends does not show in any cluster."""
    edited, sources, targets, passes = set[str](), set[str](), set[str](), False
    for provider in (backend.provider for backend in backends if backend.provider):
        edit = provider.headers
        if edit is not None:
            edited |= {name.lower() for name, _ in (*edit.set, *edit.add)} | {name.lower() for name in edit.remove}
        passes = passes or provider.passes_credentials
        if provider.override is not None:
            sources.add(provider.override.header.lower())
        if isinstance(provider.credential, KeyCredential):
            targets.add(provider.credential.header.lower())
    # A provider's key may be what its edits set: it must not come back for the next one.
    passed = tuple(sorted({*CREDENTIALS, *targets})) if passes else ()
    return Setting(folder, tuple(sorted(edited - targets)), tuple(sorted(sources)), tuple(sorted(targets)), passed)


def target_of(provider: Provider) -> str:
    """The header that a provider's credential is put into."""
    if isinstance(provider.credential, AwsCredential):
        raise CannotBuild(provider.origin, "a request's own AWS credentials cannot be signed with")
    return provider.credential.header.lower() if isinstance(provider.credential, KeyCredential) else AUTHORIZATION
