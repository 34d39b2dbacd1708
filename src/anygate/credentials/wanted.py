"""Which credentials of a model have to be fetched."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from anygate.credentials.sources import Secrets
from anygate.manifests.sensitive import Sensitive
from anygate.model import Model, Origin
from anygate.model.inference import AwsCredential, AwsExchange, OidcClient, TokenCredential, TokenSource
from anygate.model.tls import Opaque


@dataclass(frozen=True)
class Wanted:
    """One credential: the `name` under which it is delivered, and how it is had.

    `secrets` are those that the source refers to, with their values. Nothing but stubs needs a `simulated` one.
    """

    name: str
    source: TokenSource | AwsExchange
    origin: Origin
    region: str = ""
    simulated: bool = False
    secrets: tuple[tuple[str, Sensitive], ...] = field(default=())

    @property
    def identity(self) -> object:
        """Whose credential it is, and from where; a credential of another identity is another credential."""
        return self.source, self.region, self.simulated

    @property
    def key(self) -> object:
        """Everything that fetching it depends on."""
        return self.identity, self.secrets

    def reveal(self) -> Secrets:
        """The values of its secrets."""
        return Secrets(dict(self.secrets))


def find_wanted(model: Model) -> tuple[Wanted, ...]:
    """Every credential that has to be fetched, by name. One that serves only stubs is simulated."""
    values = {one.name: one.value for one in model.secrets if isinstance(one, Opaque)}
    found: dict[str, Wanted] = {}
    for backend in model.backends:
        credential = backend.provider.credential if backend.provider else None
        for wanted in _read(credential, backend.stub, values):
            held = found.get(wanted.name)
            if held is None or (held.simulated and not wanted.simulated):
                found[wanted.name] = wanted
    return tuple(found[name] for name in sorted(found))


def _read(credential: object, simulated: bool, values: dict[str, Sensitive]) -> Iterator[Wanted]:
    if isinstance(credential, TokenCredential):
        secrets = _resolve(credential.source, values)
        yield Wanted(credential.secret, credential.source, credential.origin, simulated=simulated, secrets=secrets)
    elif isinstance(credential, AwsCredential) and credential.exchange is not None:
        source = credential.exchange
        yield Wanted(
            source.name,
            source,
            credential.origin,
            credential.region,
            simulated,
            _resolve(source, values),
        )


def _resolve(source: TokenSource | AwsExchange, values: dict[str, Sensitive]) -> tuple[tuple[str, Sensitive], ...]:
    return tuple((name, values[name]) for name in sorted(set(_secret_names(source))) if name in values)


def _secret_names(source: object) -> Iterator[str]:
    for name in ("secret", "file"):
        if getattr(source, name, ""):
            yield getattr(source, name)
    federation = getattr(source, "federation", None)
    client: OidcClient | None = getattr(federation or source, "oidc", None)
    if client is not None:
        yield client.secret
