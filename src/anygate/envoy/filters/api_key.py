"""API keys: a request needs one of the known keys."""

from collections.abc import Sequence
from typing import Any

import msgspec
from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.security import ApiKeyAuth

NAME = "envoy.filters.http.api_key_auth"


class ApiKeyFilter:
    """One entry, with keys and where to look for them on each route.

    Envoy 1.40 takes keys in its settings only, not over SDS. They are marked sensitive there, so that
    `/config_dump` and `api.redact` blank them.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/api_key_auth_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry, which stands in every chain (see `HttpFilter.chain`). It knows no key itself."""
        del server, rules
        return [ChainEntry(NAME, build("envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth"), disabled=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's keys and the places of a request that may carry one."""
        auth = rule.security.api_key if rule.security else None
        return {NAME: build_keys(auth, scope)} if auth else {}


def build_keys(auth: ApiKeyAuth, scope: Scope) -> Any:
    """Return the `ApiKeyAuthPerRoute`. A header's leading `Bearer ` is not part of the key."""
    sources = [
        *({"header": name} for name in auth.headers),
        *({"query": name} for name in auth.query),
        *({"cookie": name} for name in auth.cookies),
    ]
    if not sources:
        raise CannotBuild(auth.origin, "no header, query parameter or cookie is named that carries the key")
    forwarding = None
    if auth.forward_header or auth.sanitize:
        forwarding = {"header": auth.forward_header or None, "hide_credentials": auth.sanitize or None}
    return build(
        "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute",
        credentials=[{"key": key, "client": client} for key, client in sorted(read_keys(auth, scope).items())],
        key_sources=sources,
        forwarding=forwarding,
    )


def read_keys(auth: ApiKeyAuth, scope: Scope) -> dict[str, str]:
    """Return the client of each key. Envoy takes no key twice, so a key of two clients is refused here."""
    clients: dict[str, str] = {}
    for name in auth.secrets:
        for client, key in parse_keys(scope.reveal(name, auth.origin), name, auth.origin).items():
            if not key or not client:
                raise CannotBuild(auth.origin, f"the secret {name} has an empty key")
            if clients.setdefault(key, client) != client:
                raise CannotBuild(auth.origin, f"the clients {clients[key]} and {client} share one key")
    if not clients:
        raise CannotBuild(auth.origin, "there is no key, so nobody could call")
    return clients


def parse_keys(content: bytes, name: str, origin: Origin) -> dict[str, str]:
    """Read a secret that holds a JSON object of client id to key."""
    try:
        return msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError):
        # The cause is left out: it quotes the secret.
        raise CannotBuild(origin, f"the secret {name} is not a JSON object of client id to key") from None
