"""Credentials of the AI plugins: secrets of the model, which Envoy puts on requests."""

from typing import NamedTuple
from urllib.parse import quote

from anygate.dialects.apisix.findings import NOT_HONOURED
from anygate.dialects.apisix.plugins.ai.instances import Auth, AwsAuth
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.security_findings import GUARD_UNSUPPORTED
from anygate.manifests.sensitive import Sensitive
from anygate.model.edit import HeaderEdit
from anygate.model.inference import (
    AwsCredential,
    GcpToken,
    KeyCredential,
    QueryCredential,
    TokenCredential,
    UpstreamCredential,
)
from anygate.model.tls import Opaque

_OPEN = frozenset(
    {
        *("anthropic-version", "anthropic-beta", "openai-organization", "openai-project", "openai-beta"),
        *("http-referer", "x-title", "user-agent", "x-goog-user-project"),
    }
)
"""Headers that people write beside a key and that are none."""


class Access(NamedTuple):
    """What proves who is asking, and further headers."""

    credential: UpstreamCredential | None = None
    headers: HeaderEdit | None = None


def read_access(auth: Auth, name: str, region: str, surroundings: Surroundings) -> Access | Refusal:
    """Read how an instance proves who it is; `name` is what its secrets are called after."""
    plain = tuple(
        (header.lower(), value.reveal().decode("utf-8", "replace"))
        for header, value in auth.header.items()
        if header.lower() in _OPEN
    )
    keys = [(header.lower(), value) for header, value in auth.header.items() if header.lower() not in _OPEN]
    given = [*keys, *auth.query, *([auth.gcp] if auth.gcp else []), *([auth.aws] if auth.aws else [])]
    headers = HeaderEdit(set=plain) if plain else None
    if len(given) > 1:
        text = "a provider is shown one credential: a header, a parameter, a token of Google's or a signature of AWS"
        return Refusal(GUARD_UNSUPPORTED, text, path=("auth",))
    here = surroundings.origin

    def keep(value: bytes) -> str:
        return surroundings.add_secret(Opaque(origin=here, name=f"{name}/key", value=Sensitive(value)))

    if keys:
        return Access(KeyCredential(origin=here, secret=keep(keys[0][1].reveal()), header=keys[0][0]), headers)
    for parameter, value in auth.query.items():
        secret = keep(quote(value.reveal(), safe="").encode())
        return Access(QueryCredential(origin=here, secret=secret, parameter=parameter), headers)
    if auth.aws is not None:
        return Access(AwsCredential(origin=here, region=region, file=keep(_write_keys(auth.aws))), headers)
    if auth.gcp is not None:
        for field in ("max_ttl", "expire_early_secs"):
            if field in auth.gcp.model_fields_set:
                text = "tokens are renewed before they end, by what they say of themselves"
                surroundings.note(NOT_HONOURED, text, ("auth", "gcp", field))
        account = auth.gcp.service_account_json
        source = GcpToken(file=keep(account.reveal()) if account is not None else "")
        return Access(TokenCredential(origin=here, secret=f"ai-token/{name}", source=source), headers)
    return Access(None, headers)


def _write_keys(keys: AwsAuth) -> bytes:
    """The keys as AWS's own tools have them in a file."""
    rows = [
        b"aws_access_key_id = " + keys.access_key_id.reveal(),
        b"aws_secret_access_key = " + keys.secret_access_key.reveal(),
    ]
    if keys.session_token is not None:
        rows.append(b"aws_session_token = " + keys.session_token.reveal())
    return b"\n".join([b"[default]", *rows, b""])
