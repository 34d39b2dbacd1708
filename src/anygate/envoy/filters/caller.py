"""What backends and later checks are told about the caller: a name, and the tokens of a login."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build, typed
from anygate.envoy.cel_grammar import quote
from anygate.envoy.filters import jwt as tokens
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.envoy.refusal import CannotBuild
from anygate.model.listener import Server
from anygate.model.route import HttpRule
from anygate.model.security import Caller, Oidc, Security

NAME = "anygate/caller"
ID_HEADER = "x-anygate-id-token"
"""Where the login leaves the ID token for this filter, which takes it off again."""

_TOKEN_NAME, _KEY_NAME = "x-anygate-token-name", "x-anygate-key-name"
"""Where the names stand of whom a token and a key are, until it is known whether both are somebody's."""

_MUTATION = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
_CLAIMS = f"request.headers['{ID_HEADER}'].split('.')[1].replace('-', '+').replace('_', '/')"
_WRITTEN = "request.headers['authorization']"
_BARE = f"{_WRITTEN}.matches('^[Bb]earer [^ ,]+$') ? {_WRITTEN}.substring(7) : ''"
"""The one token of a request; nothing where there is more, of which a check may have looked at another part."""

_PADDING = f"size({_CLAIMS}) % 4 == 2 ? '==' : size({_CLAIMS}) % 4 == 3 ? '=' : ''"


class CallerFilter:
    """One entry, with the names on each route.

    Tried on Envoy 1.40: a header is neither set nor added where the expression of its value has no value or an empty
    one. So nobody gets a name that is not in the table, given that clients cannot send the header itself.
    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/header_mutation_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry. It stands in every chain of servers that say who calls (see `HttpFilter.chain`)."""
        if not server.http.caller_headers and not any(rule.security and _tells(rule.security) for rule in rules):
            return []
        return [ChainEntry(NAME, build(_MUTATION), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return what is put on a request, and what is taken off."""
        security = rule.security
        if security is None or not _tells(security):
            return {}
        if security.caller and scope.server and security.caller.header not in scope.server.http.caller_headers:
            raise CannotBuild(security.caller.origin, f"clients could send {security.caller.header} themselves")
        told = security.userinfo_header or (security.oidc and tells_tokens(security.oidc))
        if told and scope.server and not scope.server.http.caller_headers:
            raise CannotBuild(security.origin, "clients could tell themselves who they are")
        changes = [*_name_caller(security), *_pass_tokens(security)]
        mutations = {"request_mutations": changes, "formatters": [_cel()]}
        return {NAME: build(f"{_MUTATION}PerRoute", mutations=mutations)}


def tells_tokens(oidc: Oidc) -> bool:
    """Whether backends get more of a login than its access token, for which the ID token has to be at hand."""
    return bool(oidc.id_claims_header or oidc.id_token_header or oidc.userinfo_endpoint)


def _tells(security: Security) -> bool:
    named = security.caller or security.access_token_header or security.userinfo_header
    return bool(named or (security.oidc and tells_tokens(security.oidc)))


def _name_caller(security: Security) -> Iterator[dict[str, Any]]:
    caller = security.caller
    if caller is None:
        return
    key = security.api_key
    has_key = key is not None and key.forward_header.lower() == caller.header
    if security.checks and not has_key and (caller.users or caller.tokens):
        # The name that a check has found is not that of the credential that is looked at here.
        yield {"remove": caller.header}
    if caller.users:
        if not (security.basic and security.basic.forward_header):
            raise CannotBuild(caller.origin, "nothing tells which user it is that has to be named")
        found = f"request.headers[{quote(security.basic.forward_header.lower())}]"
        names = ", ".join(f"{quote(user)}: {quote(name)}" for user, name in caller.users)
        yield _set(caller.header, f"%CEL({{{names}}}[{found}])%")
        yield {"remove": security.basic.forward_header}
    elif caller.tokens:
        # Of several that recognise somebody the key has the last word, given that the token is somebody's, too.
        header = _TOKEN_NAME if has_key else caller.header
        yield _set(header, "".join(f"%CEL({_token_name(caller, *one)})%" for one in caller.tokens))
        if has_key:
            found = f"request.headers[{quote(_TOKEN_NAME)}] != '' ? request.headers[{quote(caller.header)}] : ''"
            yield _set(_KEY_NAME, f"%CEL({found})%")
            yield {"remove": caller.header}
            yield _set(caller.header, f"%CEL(request.headers[{quote(_KEY_NAME)}])%")
            yield {"remove": _TOKEN_NAME}
            yield {"remove": _KEY_NAME}
    else:
        yield _set(caller.header, f"%CEL({quote(caller.name)})%")


def _token_name(caller: Caller, provider: str, value: str, name: str) -> str:
    """The name if it was this provider whose token was good, and the token is the caller's own."""
    namespaces = "metadata.filter_metadata"
    found = f"{namespaces}[{quote(tokens.NAME)}]"
    claim = f"{found}[{quote(provider)}][{quote(caller.claim)}]"
    known = f"{quote(tokens.NAME)} in {namespaces} && {quote(provider)} in {found}"
    return f"{known} && {claim} == {quote(value)} ? {quote(name)} : ''"


def _pass_tokens(security: Security) -> Iterator[dict[str, Any]]:
    """Put tokens where they are wanted; what a client sent there is taken off in any case."""
    if security.access_token_header:
        yield {"remove": security.access_token_header}
        yield _set(security.access_token_header, f"%CEL({_BARE})%")
    if security.userinfo_header:
        # Envoy writes the claims of tokens in the base64 of URLs.
        found = f"request.headers[{quote(tokens.USERINFO_HEADER)}].replace('-', '+').replace('_', '/')"
        yield {"remove": security.userinfo_header}
        yield _set(security.userinfo_header, f"%CEL({found})%")
        yield {"remove": tokens.USERINFO_HEADER}
    oidc = security.oidc
    if oidc is None or not tells_tokens(oidc):
        return
    if oidc.id_claims_header:
        yield {"remove": oidc.id_claims_header}
        yield _set(oidc.id_claims_header, f"%CEL({_CLAIMS})%%CEL({_PADDING})%")
    if oidc.id_token_header:
        yield {"remove": oidc.id_token_header}
        yield _set(oidc.id_token_header, f"%CEL(request.headers[{quote(ID_HEADER)}])%")
    yield {"remove": ID_HEADER}


def _set(header: str, value: str) -> dict[str, Any]:
    return {"append": {"header": {"key": header, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}}


@cache
def _cel() -> dict[str, Any]:
    """The formatter of expressions, with the functions on text that Envoy leaves out otherwise."""
    config = typed("envoy.extensions.formatter.cel.v3.Cel", cel_config={"enable_string_functions": True})
    return {"name": "envoy.formatter.cel", "typed_config": config}
