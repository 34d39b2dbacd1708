"""Values of the model as manifests write them; what is absent is left out."""

import base64
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from anygate.model.dump import render_duration
from anygate.model.edit import HeaderEdit, PathRewrite
from anygate.model.text import Text


def given(**fields: Any) -> dict[str, Any]:
    """A mapping of those fields that have something to say; names are written as the API writes them."""
    return {_camel(name): value for name, value in fields.items() if value is not None and value != () and value != {}}


def span(value: timedelta | None) -> str | None:
    """A duration of whole milliseconds."""
    if value is None:
        return None
    milliseconds = timedelta(milliseconds=1)
    return render_duration(max(round(value / milliseconds), 1 if value else 0) * milliseconds)


def edit(value: HeaderEdit) -> dict[str, Any]:
    """Header changes. Where a value is put together for each request the header is taken off instead, so that nobody
    believes what somebody else has put there."""
    taken_off = [name for name, text in value.set if isinstance(text, Text)]
    return given(
        set=[{"name": name, "value": text} for name, text in value.set if not isinstance(text, Text)] or None,
        add=[{"name": name, "value": text} for name, text in value.add if not isinstance(text, Text)] or None,
        remove=list(dict.fromkeys((*value.remove, *taken_off))) or None,
    )


def path(value: PathRewrite) -> dict[str, Any]:
    """A new path of one of the two kinds that the Gateway API has."""
    if value.kind == "full":
        return {"type": "ReplaceFullPath", "replaceFullPath": value.value}
    return {"type": "ReplacePrefixMatch", "replacePrefixMatch": value.value or "/"}


def bytes_text(value: bytes) -> dict[str, str]:
    """Bytes as text where they are."""
    try:
        return {"type": "Text", "text": value.decode("ascii")}
    except UnicodeDecodeError:
        return {"type": "Binary", "binary": base64.b64encode(value).decode()}


def without(value: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping without what is the same by default."""
    return {name: one for name, one in value.items() if default.get(name) != one}


_NAMES = {
    "client_ip_detection": "clientIPDetection",
    "trusted_cidrs": "trustedCIDRs",
    "request_id": "requestID",
    "api_key_auth": "apiKeyAuth",
    "forward_client_id_header": "forwardClientIDHeader",
    "client_cidrs": "clientCIDRs",
    "remote_jwks": "remoteJWKS",
    "local_jwks": "localJWKS",
    "client_id": "clientID",
    "redirect_url": "redirectURL",
    "default_token_ttl": "defaultTokenTTL",
    "default_refresh_token_ttl": "defaultRefreshTokenTTL",
    "csrf_token_ttl": "csrfTokenTTL",
    "source_cidr": "sourceCIDR",
    "consecutive_5xx_errors": "consecutive5XxErrors",
    "from_": "from",
    "global_": "global",
}


def _camel(name: str) -> str:
    if name in _NAMES:
        return _NAMES[name]
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
