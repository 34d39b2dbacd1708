"""The key or token that a provider asks for, put on last so that nothing before can see or lose it.

Tried on Envoy 1.40: without the secret Envoy answers 401 rather than sending the request on, and the secret is taken
over SDS, so that a new one holds from the next request on, on connections that are open already.
"""

from typing import Any

from anygate.envoy.api import typed
from anygate.envoy.filters.secrets import fetch_secret
from anygate.envoy.upstream.setting import AUTHORIZATION
from anygate.model.inference import KeyCredential, TokenCredential

_NAME = "anygate.credential"


def build_credential(credential: KeyCredential | TokenCredential, *, yields: bool) -> dict[str, Any]:
    """Build the entry; `yields` leaves a credential alone that the request has brought itself."""
    header = credential.header if isinstance(credential, KeyCredential) else AUTHORIZATION
    generic = typed(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential=fetch_secret(credential.secret),
        header=header,
    )
    config = typed(
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=not yields,
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    )
    return {"name": _NAME, "typed_config": config}
