"""The credentials of AIServices, out of Secrets of their namespaces."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

from anygate.diagnostics import FieldPath
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.kinds.aiservice import AIService, AuthType
from anygate.dialects.nantian.vendors import Vendor
from anygate.manifests.names import suggest_word
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import AwsCredential, KeyCredential, QueryCredential, UpstreamCredential
from anygate.model.origin import Origin
from anygate.model.tls import Opaque

_AUTH: FieldPath = ("spec", "auth")
_USUAL_KEYS = ("token", "apiKey", "api-key", "key", "password")
_AWS_KEYS: Mapping[str, tuple[str, ...]] = {
    "aws_access_key_id": ("accessKeyId", "accessKeyID", "aws_access_key_id", "AWS_ACCESS_KEY_ID", "access-key-id"),
    "aws_secret_access_key": (
        *("secretAccessKey", "aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "secret-access-key"),
    ),
    "aws_session_token": ("sessionToken", "aws_session_token", "AWS_SESSION_TOKEN", "session-token"),
}
_AWS_FILE = "credentials"
_REGION = "us-east-1"


class SecretTrouble(Exception):  # noqa: N818 - a mistake in a manifest is no defect
    """Why a credential cannot be had, at a field, and the reason that a condition gives."""

    def __init__(self, message: str, path: FieldPath, hint: str = "", reason: str = "SecretNotFound") -> None:
        super().__init__(message)
        self.message, self.path, self.hint, self.reason = message, path, hint, reason


class Access(NamedTuple):
    """How requests to a service prove who they are; with `passes` the client's own credentials are left on them."""

    credential: UpstreamCredential | None = None
    passes: bool = False
    region: str = ""


def read_access(context: Context, item: AIService, vendor: Vendor) -> Access:
    """The credential of a service; raises SecretTrouble."""
    auth = item.spec.auth
    kind = auth.type or _usual_type(vendor, with_secret=auth.secret is not None)
    here = origin(item, _AUTH)
    if kind == "none":
        return Access(passes=True)
    if kind == "aws":
        return _read_aws(context, item, here)
    if auth.secret is None:
        raise SecretTrouble(f"auth of type {kind} needs a secret", (*_AUTH, "type"), "name a Secret in auth.secret")
    if kind == "basic":
        return Access(_keep(context, item, here, _basic(context, item), auth.header or "authorization"))
    value = read_key(context, item, auth.secret, auth.key, (*_AUTH, "secret"))
    if kind == "query":
        if auth.parameter is None:
            raise SecretTrouble(
                "auth of type query needs the name of its parameter", _AUTH, "add auth.parameter", "Invalid"
            )
        name = store_secret(context, item, here, quote(value, safe=""))
        return Access(QueryCredential(origin=here, secret=name, parameter=auth.parameter))
    if kind == "bearer":
        return Access(_keep(context, item, here, f"Bearer {value}", auth.header or "authorization"))
    if kind == "custom" and auth.header is None:
        raise SecretTrouble("auth of type custom needs a header", _AUTH, "add auth.header", "Invalid")
    return Access(_keep(context, item, here, value, auth.header or vendor.header or "x-api-key"))


def _usual_type(vendor: Vendor, *, with_secret: bool) -> AuthType:
    """The vendor's own type; without a Secret none, but for AWS, which has its own ways to find keys."""
    return vendor.auth if with_secret or vendor.auth == "aws" else "none"


def read_key(context: Context, item: AIService, secret: str, key: str | None, path: FieldPath) -> str:
    """A value of a Secret: of a key, or of the usual one; raises SecretTrouble."""
    values = _find(context, item, secret, path)
    wanted = key or _usual_key(values)
    if wanted is None or wanted not in values:
        listed = f"its keys are {', '.join(sorted(values))}" if values else ""
        text = f"Secret/{item.namespace}/{secret} has {f'no key {wanted}' if wanted else 'several keys'}"
        raise SecretTrouble(text, path, listed if wanted else f"name one in auth.key: {listed}")
    return _clean(values[wanted], wanted, secret, path)


def _usual_key(values: Mapping[str, Sensitive]) -> str | None:
    if len(values) == 1:
        return next(iter(values))
    return next((name for name in _USUAL_KEYS if name in values), None)


def _find(context: Context, item: AIService, secret: str, path: FieldPath) -> Mapping[str, Sensitive]:
    found = context.index.secret(item.namespace, secret)
    if found is None:
        hint = suggest_word(secret, context.index.names("", "Secret", item.namespace))
        raise SecretTrouble(f"there is no Secret/{item.namespace}/{secret}", path, hint)
    return found.values


def _clean(value: Sensitive, key: str, secret: str, path: FieldPath) -> str:
    try:
        text = value.reveal_text().strip()
    except UnicodeDecodeError:
        text = ""
    if not text or not text.isprintable() or not text.isascii():
        raise SecretTrouble(f"the key {key} of Secret {secret} is no header's value", path)
    return text


def _basic(context: Context, item: AIService) -> str:
    """`Basic` with a name and a password, or with a value that may be encoded already."""
    auth, path = item.spec.auth, (*_AUTH, "secret")
    assert auth.secret is not None
    values = _find(context, item, auth.secret, path)
    if auth.key is None and {"username", "password"} <= values.keys():
        pair = (_clean(values[one], one, auth.secret, path) for one in ("username", "password"))
        return f"Basic {_encode(':'.join(pair))}"
    value = read_key(context, item, auth.secret, auth.key, path)
    value = value.removeprefix("Basic ")
    return f"Basic {value if _is_encoded(value) else _encode(value)}"


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _is_encoded(text: str) -> bool:
    try:
        return b":" in base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False


def _read_aws(context: Context, item: AIService, here: Origin) -> Access:
    """Keys for signatures: a credentials file, or its lines; without a Secret AWS's own ways to find keys."""
    auth, file = item.spec.auth, ""
    region = auth.region or ""
    if auth.secret is not None:
        path = (*_AUTH, "secret")
        values = _find(context, item, auth.secret, path)
        content = values.get(auth.key or _AWS_FILE)
        if content is None:
            content = Sensitive(_write_file(values, auth.secret, path).encode())
        file = store_secret(context, item, here, content.reveal().decode("utf-8", "replace"))
        if not region and "region" in values:
            region = _clean(values["region"], "region", auth.secret, path)
    credential = AwsCredential(origin=here, region=region or _REGION, service=auth.service or "bedrock", file=file)
    return Access(credential, region=region)


def _write_file(values: Mapping[str, Sensitive], secret: str, path: FieldPath) -> str:
    lines = ["[default]"]
    for name, spellings in _AWS_KEYS.items():
        found = _first(values, spellings)
        if found is not None:
            lines.append(f"{name} = {_clean(values[found], found, secret, path)}")
        elif name != "aws_session_token":
            hint = f"name it {spellings[0]}, or put an AWS credentials file under {_AWS_FILE}"
            raise SecretTrouble(f"Secret {secret} has no {name}", path, hint)
    return "\n".join(lines) + "\n"


def _first(values: Mapping[str, Sensitive], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in values), None)


def _keep(context: Context, item: AIService, here: Origin, value: str, header: str) -> KeyCredential:
    return KeyCredential(origin=here, secret=store_secret(context, item, here, value), header=header.lower())


def store_secret(context: Context, item: AIService, here: Origin, value: str, part: str = "key") -> str:
    """The name of the model's `Opaque` for a value of a service."""
    name = f"ai-service/{item.namespace}/{item.name}/{part}"
    context.secrets[name] = Opaque(origin=here, name=name, value=Sensitive(value.encode()))
    return name
