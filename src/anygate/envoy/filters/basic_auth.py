"""Names and passwords."""

from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.security import BasicAuth

NAME = "envoy.filters.http.basic_auth"
_SHA = "{SHA}"
_SHA1_BYTES = 20
_NOBODY = f"nobody:{_SHA}{'A' * 27}="
"""Envoy refuses an entry without users. No password is known to have the SHA-1 of twenty zero bytes."""


class BasicAuthFilter:
    """An entry for each header that passes the user's name on (one without), with the users on each route.

    Envoy 1.40 takes users as a DataSource, not over SDS. They stand inline, where the API marks them as
    sensitive, so that `/config_dump` and `api.redact` blank them; a file would not reach a fleet's Envoys.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/basic_auth_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return an entry for each header to pass the name on in: Envoy has that setting only here.

        The one without a header stands in every chain (see `HttpFilter.chain`).
        """
        del server
        headers = {
            rule.security.basic.forward_header.lower() for rule in rules if rule.security and rule.security.basic
        }
        return [build_entry(header) for header in sorted({"", *headers})]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's users."""
        auth = rule.security.basic if rule.security else None
        return {entry_name(auth.forward_header): build_users(auth, scope)} if auth else {}


def entry_name(header: str) -> str:
    """Name the entry that passes the user's name on in `header`."""
    return f"{NAME}/{header.lower()}" if header else NAME


def build_entry(header: str) -> ChainEntry:
    """Return the entry. It refuses everything should a route turn it on without users by mistake."""
    config = build(
        "envoy.extensions.filters.http.basic_auth.v3.BasicAuth",
        users={"inline_string": _NOBODY},
        forward_username_header=header or None,
    )
    return ChainEntry(entry_name(header), config, disabled=True)


def build_users(auth: BasicAuth, scope: Scope) -> Any:
    """Return the `BasicAuthPerRoute`."""
    users = "\n".join(read_users(scope.reveal(auth.secret, auth.origin), auth.secret, auth.origin))
    return build(
        "envoy.extensions.filters.http.basic_auth.v3.BasicAuthPerRoute",
        users={"inline_bytes": users.encode()},
    )


def read_users(content: bytes, name: str, origin: Origin) -> list[str]:
    """Return the lines of an htpasswd file that Envoy takes: `name:{SHA}<base64 of a SHA-1>`, each name once.

    One line that Envoy does not take makes it refuse all routes of the server, so it is refused here.
    """
    try:
        lines = [line.strip() for line in content.decode().splitlines()]
    except UnicodeDecodeError:
        raise CannotBuild(origin, f"the secret {name} is not text") from None
    lines = [line for line in lines if line and not line.startswith("#")]
    seen = set()
    for number, line in enumerate(lines, 1):
        user, colon, digest = line.partition(":")
        if not (user and colon):
            raise CannotBuild(origin, f"entry {number} of the secret {name} is not `name:{_SHA}...`")
        if not _is_sha(digest):
            raise CannotBuild(
                origin,
                f"the password of entry {number} of the secret {name} is not of the form {_SHA}, which Envoy needs",
            )
        if user in seen:
            raise CannotBuild(origin, f"entry {number} of the secret {name} has a user who is there already")
        seen.add(user)
    if not lines:
        raise CannotBuild(origin, f"the secret {name} has no user, so nobody could call")
    return lines


def _is_sha(digest: str) -> bool:
    if not digest.startswith(_SHA):
        return False
    try:
        return len(b64decode(digest[len(_SHA) :], validate=True)) == _SHA1_BYTES
    except ValueError:
        return False
