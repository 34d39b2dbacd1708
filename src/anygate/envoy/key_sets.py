"""Key sets that nobody may read, in files beside Envoy: its settings for tokens have no other place for them.

Tried on Envoy 1.40: a key set in the settings stands in `/config_dump` as it is, and SDS is not asked for one. A file
is read when the settings come, so a new key set needs a new name; `envoy/upstream/files.py` says what to write.
"""

from collections.abc import Sequence

import msgspec

from anygate.envoy.names import key_set_file_name
from anygate.model.route import HttpRule
from anygate.model.security import Jwt, JwtProvider


def place_key_sets(rules: Sequence[HttpRule], folder: str) -> Sequence[HttpRule]:
    """The rules with the paths of the files that hold their secret key sets."""
    if not any(provider.jwks_secret for rule in rules for provider in _providers(rule)):
        return rules
    return [_placed(rule, folder) for rule in rules]


def _providers(rule: HttpRule) -> tuple[JwtProvider, ...]:
    jwt = rule.security.jwt if rule.security else None
    return jwt.providers if jwt else ()


def _placed(rule: HttpRule, folder: str) -> HttpRule:
    found = _providers(rule)
    if not any(provider.jwks_secret for provider in found):
        return rule
    assert rule.security is not None and rule.security.jwt is not None  # noqa: PT018 - one fact
    jwt: Jwt = msgspec.structs.replace(rule.security.jwt, providers=tuple(_at(one, folder) for one in found))
    return msgspec.structs.replace(rule, security=msgspec.structs.replace(rule.security, jwt=jwt))


def _at(provider: JwtProvider, folder: str) -> JwtProvider:
    if not provider.jwks_secret:
        return provider
    return msgspec.structs.replace(provider, jwks_file=f"{folder}/{key_set_file_name(provider.jwks_secret)}")
