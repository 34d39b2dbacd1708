"""A credential of the gateway's own, put on requests to the backend."""

from collections.abc import Sequence

from google.protobuf.message import Message

from anygate.envoy.api import build, typed
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope, enable, label, only
from anygate.envoy.filters.secrets import fetch_secret
from anygate.model.listener import Server
from anygate.model.route import Credential, HttpRule

NAME = "envoy.filters.http.credential_injector"


class CredentialFilter:
    """One entry per credential, off by default, because Envoy has no settings for it on a route.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/credential_injector_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return an entry for each credential that a rule injects."""
        del server
        wanted = [rule.inject for rule in rules if rule.inject]
        return only([(inject.origin, build_entry(inject)) for inject in wanted])

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Turn the rule's credential on."""
        del scope
        return {entry_name(rule.inject): enable()} if rule.inject else {}


def entry_name(inject: Credential) -> str:
    """Name the entry after the place that asks for the credential."""
    return f"{NAME}/{label(inject.origin)}"


def build_entry(inject: Credential) -> ChainEntry:
    """Return the entry. Without the secret Envoy answers 401 rather than sending the request on."""
    generic = typed(
        "envoy.extensions.http.injected_credentials.generic.v3.Generic",
        credential=fetch_secret(inject.secret),
        header=inject.header,
    )
    config = build(
        "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector",
        overwrite=inject.overwrite or None,
        credential={"name": "envoy.http.injected_credentials.generic", "typed_config": generic},
    )
    return ChainEntry(entry_name(inject), config, disabled=True)
