"""The attributes of OpenID Connect."""

from typing import Any

from anygate.dialects.apisix.links.entry import Entry, is_placeholder
from anygate.dialects.apisix.links.names import read_object_name
from anygate.dialects.apisix.links.rules.attributes import ATTRIBUTE_UNUSED, INLINE_SECRET, OIDC_PLAIN_HTTP, OIDC_SECRET
from anygate.dialects.apisix.links.rules.shape import INVALID_VALUE
from anygate.dialects.apisix.links.stack import Apisix, Config

_SHORTEST_SECRET = 16
GENERATED_SECRET = "{}-oidc"  # noqa: S105 - a name, not a secret
"""How the Secret is called that a link needs and does not name; made of the prefix of its objects."""


def read_openid(entry: Entry, apisix: Apisix) -> tuple[Config | None, str]:
    """The configuration of openid-connect and the Secret that completes it; `{}-oidc` for one without a name."""
    switch, fields, secret = (entry.get(f"apisix_oidc_{key}") for key in ("enable", "param", "secret"))
    if switch is None or not switch.flag():
        for unused in (fields, secret):
            if unused is not None:
                text = "this has no effect, since apisix_oidc_enable is off"
                unused.refuse(ATTRIBUTE_UNUSED, text, hint="set apisix_oidc_enable: true, or drop it")
        return None, ""
    name = read_object_name(secret) if secret is not None else ""
    written = fields.mapping() if fields is not None else None
    given = _expand_dots(written.value) if written is not None else {}
    config: Config = {**given, **{key: value for key, value in apisix.oidc.items() if key not in given}}
    config.setdefault("scope", "openid")
    config.setdefault("bearer_only", False)
    _check_values(written or switch, config, apisix)
    missing = _list_missing(config)
    if missing and not name:
        hint = "name the Secret that holds them in apisix_oidc_secret"
        switch.refuse(OIDC_SECRET, f"{', '.join(missing)} must come from a Secret, and none is named", hint=hint)
        return config, GENERATED_SECRET
    return config, name or ""


def _expand_dots(fields: dict[str, Any]) -> Config:
    """Fields with dots in their names as the mappings that they stand for."""
    found: Config = {}
    for key, value in fields.items():
        head, dot, rest = key.partition(".")
        if dot:
            inner = found.get(head)
            found[head] = {**(inner if isinstance(inner, dict) else {}), rest: value}
        else:
            found[key] = value
    return found


def _check_values(entry: Entry, config: Config, apisix: Apisix) -> None:
    session = config.get("session")
    secret = session.get("secret") if isinstance(session, dict) else None
    if isinstance(secret, str) and len(secret) < _SHORTEST_SECRET:
        entry.refuse(
            INVALID_VALUE, f"session.secret is shorter than {_SHORTEST_SECRET} characters", hint="make it longer"
        )
    if config.get("client_secret") or secret:
        hint = "keep it in a Kubernetes Secret that apisix_oidc_secret names"
        entry.refuse(INLINE_SECRET, "the secret is written into the generated files", hint=hint)
    for key in ("client_id", "discovery"):
        value = config.get(key)
        if value is not None and (not isinstance(value, str) or is_placeholder(value)):
            place = entry.get(key) or entry
            place.refuse(INVALID_VALUE, f"{key} is not set to its real value", hint="give it its real value")
    discovery = str(config.get("discovery") or "")
    if discovery.startswith("http://"):
        place = entry.get("discovery") or entry
        place.refuse(OIDC_PLAIN_HTTP, "the identity provider is asked over plain HTTP", hint="use its https:// address")
    elif discovery and not discovery.startswith("https://"):
        place = entry.get("discovery") or entry
        place.refuse(INVALID_VALUE, f'"{discovery[:80]}" is not a URL', hint="it ends with openid-configuration")
    if apisix.tls_secret is None:
        text = "users log in over plain HTTP, since the stack has no certificate"
        entry.refuse(OIDC_PLAIN_HTTP, text, hint="set apisix.tls_secret")


def _list_missing(config: Config) -> list[str]:
    needed = ["client_id", "discovery"]
    if not (config["bearer_only"] and (config.get("use_jwks") or config.get("public_key"))):
        needed.append("client_secret")
    found = [key for key in needed if not config.get(key)]
    session = config.get("session")
    if not config["bearer_only"] and not (isinstance(session, dict) and session.get("secret")):
        found.append("session.secret")
    return found
