"""Keys of consumers and providers as JSON Web Key Sets."""

import json
from base64 import urlsafe_b64encode


def symmetric_key_set(secret: bytes, algorithm: str) -> bytes:
    """The key set with a shared secret; it is a secret itself."""
    key = urlsafe_b64encode(secret).decode().rstrip("=")
    return json.dumps({"keys": [{"kty": "oct", "alg": algorithm, "k": key}]}).encode()


def public_key_set(pem: str, algorithm: str = "") -> str:
    """The key set with a public key in PEM; empty if it is none."""
    # Imported late: it costs as much as the rest of reading, and few keys come in this form.
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    for kind in (RSAKey, ECKey, OKPKey):
        try:
            key = kind.import_key(pem).as_dict(private=False)
        except Exception:  # noqa: S112 - every library below has its own error for "another kind of key"
            continue
        return json.dumps({"keys": [{**key, **({"alg": algorithm} if algorithm else {})}]}, sort_keys=True)
    return ""
