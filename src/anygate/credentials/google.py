"""Tokens of Google: by a service account's key, by a user's consent, and of the machine itself.

https://developers.google.com/identity/protocols/oauth2/service-account (HTTP/REST) and
https://cloud.google.com/docs/authentication/application-default-credentials.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from anygate.credentials.google_federation import fetch_federated
from anygate.credentials.problem import FetchProblem
from anygate.credentials.sources import Outside, Secrets, name_secret
from anygate.credentials.token import Token, read_token
from anygate.model.inference import GcpToken

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_LIFE = 3600
_WELL_KNOWN = "application_default_credentials.json"


async def fetch_google(source: GcpToken, secrets: Secrets, outside: Outside) -> Token:
    """Return a token from the file, by federation or from the environment; raises FetchProblem."""
    if source.federation is not None:
        return await fetch_federated(source.federation, secrets, outside)
    if source.file:
        return await _fetch_by_file(_parse(secrets.reveal(source.file), name_secret(source.file)), outside)
    found = _load_default(outside)
    return await (_fetch_by_file(found, outside) if found is not None else _fetch_of_machine(outside))


async def _fetch_by_file(file: Mapping[str, Any], outside: Outside) -> Token:
    kind = file.get("type")
    if kind == "service_account":
        return await _fetch_by_key(file, outside)
    if kind == "authorized_user":
        return await _fetch_by_consent(file, outside)
    raise FetchProblem("a credentials file of Google must be of type service_account or authorized_user")


async def _fetch_by_key(file: Mapping[str, Any], outside: Outside) -> Token:
    email, key = _field(file, "client_email"), _field(file, "private_key")
    url = _field(file, "token_uri") if "token_uri" in file else outside.endpoints.google_token
    header: dict[str, str] = {"alg": "RS256", "typ": "JWT"}
    if isinstance(file.get("private_key_id"), str):
        header["kid"] = file["private_key_id"]
    now = int(outside.now())
    claims = {"iss": email, "scope": SCOPE, "aud": url, "iat": now, "exp": now + _ASSERTION_LIFE}
    try:
        assertion = jwt.encode(header, claims, RSAKey.import_key(key))
    except (JoseError, ValueError, TypeError):
        # What the libraries say may quote the key.
        raise FetchProblem("private_key in the service account's file is not an RSA key (PEM)") from None
    form = {"grant_type": _ASSERTION, "assertion": assertion}
    answer = await outside.web.post_form(url, form, proxy=outside.endpoints.google_proxy)
    return read_token(answer.read_json())


async def _fetch_by_consent(file: Mapping[str, Any], outside: Outside) -> Token:
    form = {"grant_type": "refresh_token"}
    form |= {key: _field(file, key) for key in ("client_id", "client_secret", "refresh_token")}
    url = outside.endpoints.google_token
    return read_token((await outside.web.post_form(url, form, proxy=outside.endpoints.google_proxy)).read_json())


async def _fetch_of_machine(outside: Outside) -> Token:
    """Ask the metadata server, which only machines at Google have.

    https://cloud.google.com/compute/docs/metadata/querying-metadata
    """
    url = f"{outside.endpoints.google_metadata}/computeMetadata/v1/instance/service-accounts/default/token"
    try:
        answer = await outside.web.get(url, headers={"metadata-flavor": "Google"}, direct=True)
    except FetchProblem as problem:
        raise FetchProblem(
            f"there is no credentials file and no metadata server ({problem}); "
            "set GOOGLE_APPLICATION_CREDENTIALS or run: gcloud auth application-default login"
        ) from None
    if answer.headers.get("metadata-flavor") != "Google":
        raise FetchProblem(f"{answer.host} is not Google's metadata server")
    return read_token(answer.read_json())


def _load_default(outside: Outside) -> Mapping[str, Any] | None:
    """The file that the environment names, or else the one that gcloud leaves behind."""
    named = outside.endpoints.google_file
    if named is not None:
        return _parse(_load(named), str(named))
    folder = outside.endpoints.google_folder
    if folder is None or not (folder / _WELL_KNOWN).is_file():
        return None
    return _parse(_load(folder / _WELL_KNOWN), str(folder / _WELL_KNOWN))


def _load(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as problem:
        raise FetchProblem(f"cannot read {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise FetchProblem(f"{path} is not text") from None


def _parse(text: str, place: str) -> Mapping[str, Any]:
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise FetchProblem(f"{place} does not hold a JSON object")
    return found


def _field(file: Mapping[str, Any], key: str) -> str:
    value = file.get(key)
    if not isinstance(value, str) or not value:
        raise FetchProblem(f"the credentials file of Google has no {key}")
    return value
