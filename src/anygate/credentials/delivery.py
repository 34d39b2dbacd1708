"""How fetched credentials reach Envoy: tokens as secrets over SDS, keys of AWS as a file that Envoy reads again."""

from collections.abc import Callable
from pathlib import Path

from anygate.credentials.problem import FetchProblem
from anygate.credentials.token import AwsKeys, Credential, Token
from anygate.credentials.wanted import Wanted
from anygate.envoy.api import serialise
from anygate.envoy.names import keys_file_name
from anygate.envoy.secrets import build_secret
from anygate.envoy.snapshot import SECRET, TYPES, Snapshot, resource
from anygate.envoy.upstream.files import PENDING
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import AwsExchange
from anygate.model.tls import Opaque
from anygate.private_files import replace_file


def keys_file(folder: Path, name: str) -> Path:
    """The credentials file of the exchange that is called `name`."""
    return folder / keys_file_name(name)


class Delivery:
    """Holds what was fetched. `on_tokens` is called whenever a token has changed, and must not block.

    A token that is not there yet is an empty secret. Tried on Envoy 1.40: it then answers 401 itself instead of sending
    a request on, and does not hold up the rest of its configuration until the secret is there. A file without keys
    would make it send requests on unsigned, or look for keys elsewhere, so that one holds PENDING instead, with which
    nothing leaves.
    """

    def __init__(self, folder: Path, on_tokens: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._on_tokens = on_tokens
        self._tokens: dict[str, Opaque] = {}

    @property
    def tokens(self) -> tuple[Opaque, ...]:
        """Every token that Envoy may ask for, as the whole value of a header; empty where there is none."""
        return tuple(self._tokens[name] for name in sorted(self._tokens))

    def put(self, wanted: Wanted, credential: Credential | None) -> None:
        """Deliver a credential, or take it back; raises FetchProblem when its file cannot be written."""
        if isinstance(wanted.source, AwsExchange):
            self._write(wanted, credential if isinstance(credential, AwsKeys) else None)
            return
        value = f"Bearer {credential.value.reveal_text()}" if isinstance(credential, Token) else ""
        made = Opaque(origin=wanted.origin, name=wanted.name, value=Sensitive(value.encode()))
        held = self._tokens.get(wanted.name)
        self._tokens[wanted.name] = made
        if held is None or held.value != made.value:
            self._on_tokens()

    def drop(self, wanted: Wanted) -> None:
        """Forget a credential that nothing refers to any more."""
        if isinstance(wanted.source, AwsExchange):
            keys_file(self._folder, wanted.name).unlink(missing_ok=True)
        elif self._tokens.pop(wanted.name, None) is not None:
            self._on_tokens()

    def add_to(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with the tokens among its secrets."""
        if not self._tokens:
            return snapshot
        kept = [
            one
            for type_url in TYPES
            for one in snapshot[type_url].values()
            if type_url != SECRET or one.name not in self._tokens
        ]
        made = [resource(SECRET, one.name, serialise(build_secret(one))) for one in self.tokens]
        return Snapshot([*made, *kept])

    def _write(self, wanted: Wanted, keys: AwsKeys | None) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(keys_file(self._folder, wanted.name), write_keys(keys))
        except OSError as problem:
            raise FetchProblem(f"cannot write the keys to {self._folder}: {problem.strerror}") from None


def write_keys(keys: AwsKeys | None) -> bytes:
    """The content of a credentials file, or of one that stands in for keys that are not there."""
    key_id, secret, session = PENDING, PENDING, ""
    if keys is not None:
        key_id, secret, session = keys.key_id, keys.secret.reveal_text(), keys.session.reveal_text()
    lines = ["[default]", f"aws_access_key_id = {key_id}", f"aws_secret_access_key = {secret}"]
    lines += [f"aws_session_token = {session}"] if session else []
    return "\n".join([*lines, ""]).encode()
