"""Files with keys, which Envoy takes from nowhere else without showing them: those of AWS, and secret key sets.

The orders of our own checks stand beside them, which Envoy only names.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple

from anygate.envoy.check_orders import order_file_name, without_places, write_order
from anygate.envoy.filters.filter import Scope
from anygate.envoy.names import key_set_file_name, keys_file_name
from anygate.envoy.refusal import CannotBuild
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import AwsCredential
from anygate.model.root import Model, list_rules
from anygate.model.tls import Opaque, Secret

PENDING = "anygate-pending"
"""The access key of a file that stands in for keys that are not there yet; nothing signed with it leaves."""

_PLACEHOLDER = Sensitive(f"[default]\naws_access_key_id = {PENDING}\naws_secret_access_key = {PENDING}\n".encode())


class CredentialFile(NamedTuple):
    """A file to write into the folder of credentials, for its owner only, in one move over what is there.

    One that `stands_in` only has to be there before its cluster is: what fetches the keys replaces it.
    """

    name: str
    content: Sensitive
    stands_in: bool = False


def credentials_file_name(credential: AwsCredential) -> str:
    """The name of the file with a credential's keys; empty when they come from Envoy's environment."""
    if credential.exchange is not None:
        return keys_file_name(credential.exchange.name)
    return _file_name(credential.file) if credential.file else ""


def list_credential_files(model: Model) -> tuple[CredentialFile, ...]:
    """List the files that have to be there before Envoy is given a model. A secret that is missing stays pending."""
    secrets = {secret.name: secret for secret in model.secrets}
    found: dict[str, CredentialFile] = {}
    for backend in model.backends:
        credential = backend.provider.credential if backend.provider else None
        if isinstance(credential, AwsCredential) and (name := credentials_file_name(credential)):
            found[name] = _file(name, credential, secrets)
    for secret in _key_sets(model):
        held = secrets.get(secret)
        if isinstance(held, Opaque):
            name = key_set_file_name(secret)
            found[name] = CredentialFile(name, held.value)
    for order in _orders(model, secrets):
        name = order_file_name(order)
        found[name] = CredentialFile(name, Sensitive(order))
    return tuple(found[name] for name in sorted(found))


def _key_sets(model: Model) -> Iterator[str]:
    """The secrets with the key sets by which tokens of clients are checked."""
    listeners = (listener for gateway in model.gateways for listener in gateway.listeners)
    for server in (server for listener in listeners for server in listener.servers):
        for rule in (rule for route in server.routes for rule in route.rules):
            jwt = rule.security.jwt if rule.security else None
            yield from (one.jwks_secret for one in (jwt.providers if jwt else ()) if one.jwks_secret)


def _orders(model: Model, secrets: Mapping[str, Secret]) -> Iterator[bytes]:
    """What our own service checks; the rule of an order whose secret is missing is left out by its filter."""
    scope = Scope(secrets=secrets)
    asked = (rule.security.checks for rule in list_rules(model) if rule.security and rule.security.checks)
    for checks in set(map(without_places, asked)):
        with suppress(CannotBuild):
            yield write_order(checks, scope.reveal)


def _file(name: str, credential: AwsCredential, secrets: Mapping[str, Secret]) -> CredentialFile:
    if credential.exchange is not None:
        return CredentialFile(name, _PLACEHOLDER, stands_in=True)
    secret = secrets.get(credential.file)
    content = secret.value if isinstance(secret, Opaque) and secret.value.reveal().strip() else _PLACEHOLDER
    return CredentialFile(name, content)


def _file_name(name: str) -> str:
    """A readable name that is one secret's, whatever is in it."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80]
    return f"{readable}-{hashlib.sha256(name.encode()).hexdigest()[:12]}.credentials"
