"""Fields of the model that a conversion to Gateway API leaves out, and what is said of them where they are set."""

from collections.abc import Collection, Iterator
from fractions import Fraction
from functools import cache
from typing import Any

import msgspec

from anygate.diagnostics import Rule
from anygate.dialects.gateway_api.write.findings import REWRITE, SECURITY, SETTING
from anygate.dialects.gateway_api.write.plugins import is_fetched
from anygate.dialects.gateway_api.write.writing import Writing
from anygate.model.backend import Backend, LoadBalancing
from anygate.model.edit import HeaderEdit
from anygate.model.folded_authorization import fold_authorization
from anygate.model.inference import Inference, Provider
from anygate.model.listener import Stage
from anygate.model.mcp import Mcp, McpAccess
from anygate.model.origin import NOWHERE, Origin
from anygate.model.route import HttpRule, Timeouts
from anygate.model.security import Security
from anygate.model.text import Text

NOT_CARRIED = {
    "ActiveCheck.port": "endpoints are probed where requests go",
    "ActiveCheck.unhealthy_interval": "the interval of checks of what is unhealthy has no place",
    "BackendTarget.tries": "how often one backend is tried has no place",
    "BackendTarget.priority": "backends that wait for others to fail have no place in a rule",
    "CircuitBreaker.retry_budget_interval": "the interval of a retry budget has no place",
    "ClientConnection.socket_buffer_limit": "the size of a socket's buffers has no place",
    "Connection.socket_buffer_limit": "the size of a socket's buffers has no place",
    "Dns.one_endpoint": "that all addresses of a name are one endpoint has no place: each address becomes one",
    "EndpointGroup.priority": "endpoints of several priorities become equals",
    "EndpointGroup.weight": "the weights of groups of endpoints become their sizes",
    "HashPolicy.attributes": "the attributes of a hashed cookie have no place",
    "HttpCheck.headers": "probes have no headers of their own",
    "HttpRule.answers": "changes to answers beyond their headers have no place",
    "HttpRule.breaker": "a breaker that answers for a failing backend has no place",
    "HttpRule.cache": "answers are not kept: every one is the backend's",
    "HttpRule.compression": "compression of answers has no place that is read here",
    "HttpRule.cors_headers": "answers to requests that name no origin have no headers for browsers, and those to "
    "others repeat it",
    "HttpRule.hashes_targets": "a backend is chosen by chance, not by a hash; only its endpoints are",
    "HttpRule.metering": "metrics by the names of APISIX have no place; Envoy has its own",
    "HttpRule.trace": "which requests of a route are traced has no place: the EnvoyProxy of the class traces all",
    "HttpRule.request_id": "a request id of its own form has no place",
    "HttpRule.wordings": "refusals have the words of the implementation",
    "HttpServer.connect_failure_status": "the status for a backend that cannot be reached has no place",
    "HttpServer.connect_timeout_status": "the status for a backend that is not reached in time has no place",
    "HttpServer.http10_default_host": "a host for requests that name none has no place",
    "HttpServer.ignored_upgrades": "upgrades that are taken as plain requests have no place",
    "LimitRule.answer": "what a limit answers is the implementation's",
    "LimitRule.backends": "a quota that belongs to backends has no place",
    "LimitRule.queued": "requests that are over a limit no longer wait for their turn: they are refused",
    "LimitRule.reserves": "tokens that are taken with the request and given back have no place",
    "LimitRule.window": "how the time of a limit is counted is the implementation's",
    "LoadBalancing.override_header": "a header that names the endpoint has no place",
    "LoadBalancing.prefer_local_zone": "a preference for the local zone has no place",
    "Oidc.hides_cookies": "backends find the tokens of a login in its cookies",
    "Oidc.timeout": "how long the provider has for an answer is the implementation's",
    "Redirect.drop_query": "a redirect keeps the query",
    "Redirect.keep_host": "a redirect names the host as the implementation does",
    "Respond.text": "an answer put together for each request has no place",
    "Server.access_log": "the access log has no place in a policy: it belongs into the EnvoyProxy of the class",
    "Session.path": "the path of a session's cookie has no place",
    "StreamRoute.connection_limit": "a limit of the connections of one route has no place",
    "Timeouts.whole": "what a limit on the whole exchange bounds is the implementation's",
    "Timeouts.attempt_idle": "a limit on silence within one attempt has no place",
}
"""What is said where a field is set."""

MOVED = {
    "PathRewrite.text": "a path put together for each request has no place",
    "Rewrite.method": "another method towards the backend has no place",
    "Rewrite.query": "parameters that are put in front of the request's have no place",
}
"""The same of fields without which requests reach another place, or as others; without them a conversion is refused."""

UNSAFE = {
    "LimitRule.fail_closed": "requests pass while they cannot be counted, unless Envoy Gateway's own configuration has "
    "failClosed for rate limits",
    "AuthorizationRule.other_methods": "a rule for the methods that are not listed has no place",
    "HttpRule.prompts": "what is asked of prompts, and put in them, has no place",
    "HttpRule.plugins": "plugins have no place here: an EnvoyExtensionPolicy has to bring them",
    "ClientValidation.depth": "the length of a client's chain of certificates is not bounded",
    "JwtProvider.clock_skew": "how late a token may be is the implementation's setting",
    "JwtProvider.jwks_secret": "a key set that has to be kept secret has no place",
    "JwtProvider.sanitize": "a token is not taken off the request",
    "Oidc.id_claims_header": "a header for the claims has no place",
    "Oidc.id_token_header": "a header for the ID token has no place",
    "Oidc.secret_in_body": "the client's secret is always sent as a password",
    "Oidc.post_logout_url": "where people go after they log out has no place",
    "Oidc.when_missing": "requests without a login are always sent to log in",
    "Principal.other_addresses": "a rule for the addresses that are not listed has no place",
    "Principal.other_headers": "a rule for headers without certain values has no place",
    "Principal.missing_scopes": "a rule for tokens without certain scopes has no place",
    "Security.access_token_header": "a header of its own for the access token has no place",
    "Security.admission": "a check before anybody is recognised has no place",
    "Security.forward_auth": "a service that is asked by a request of its own has no place",
    "Security.checks": "signatures, tokens of forms, and users of directories and wolf servers have no place",
    "Security.introspection": "a token that its issuer is asked about has no place",
    "Security.userinfo_header": "a header for what is known of a user has no place",
    "Security.caller": "the name of a caller has no place, so that checks of it refuse or take everyone",
    "StreamRoute.allowed_sources": "a route for connections from some addresses only has no place, and is left out",
    "StreamRoute.denied_sources": "a route for connections from some addresses only has no place, and is left out",
}
"""The same of fields by which requests are kept out, or people known; without them a conversion is refused."""

HARMLESS = {
    "Backend.behind": "on one machine it says where a backend is reached; in a cluster that is its Service",
    "Backend.members": "the endpoints of what a backend was joined of are in it",
    "Backend.provider": "rules that need it are left out and named",
    "Backend.mcp": "rules that need it are left out and named",
    "Backend.sticky": "it follows from the session of a rule",
    "Backend.simulated": "stubs are for a laptop",
    "Backend.stub": "stubs are for a laptop",
    "BackendTarget.translated": "rules that need it are left out and named",
    "Certificate.chain": "Secrets are referred to where they are, and never written",
    "Certificate.key": "Secrets are referred to where they are, and never written",
    "CertificateFiles.origin": "files become a Secret that people make",
    "Mirror.stage": "the reference to what is copied to says it, or the path that is lost is named",
    "Continue.stage": "a rule that goes on to a stage is left out and named",
    "Endpoint.draining": "the cluster knows which endpoints are going away",
    "Expression.expression": "a limit with a cost that is worked out is named as a whole",
    "Gateway.collector": "the rules that are traced are named",
    "Gateway.exporter": "the rules whose requests are counted are named",
    "Server.spans": "the rules that are traced are named",
    "Gateway.stages": "the rules that go on to a stage are left out and named",
    "HttpMatch.rank": "it says the order, which is kept by other words",
    "HttpRoute.created": "it says the order, which is kept by other words",
    "JwtProvider.jwks_file": "it stands for a secret that is named",
    "Listener.local_port": "it is for a workload on the same machine",
    "Listener.loopback": "it is for a workload on the same machine",
    "Oidc.hmac_secret": "it is made anew from the client's secret",
    "Oidc.redirect_path": "it is part of the URL",
    "Oidc.userinfo_backend": "the header with what is known of a user is named",
    "Oidc.userinfo_endpoint": "the header with what is known of a user is named",
    "Server.rank_first": "it says the order, which is kept by other words",
    "SocketSecret.socket": "what came from a socket becomes a Secret that people make",
    "StreamRoute.created": "it says the order, of which one route is left",
    "Text.parts": "texts are named where they stand",
    "LimitRule.calm": "limits that delay are left out and named",
    "LimitRule.delay": "limits that delay are left out and named",
    "LimitRule.smooth": "limits that delay are left out and named",
    "LimitSelector.distinct_callers": "limits that count by it are left out and named",
    "Expression.estimated": "a limit with a cost that is worked out is named as a whole",
    "HttpRoute.name": "the object that it comes from gives its name",
    "HttpRoute.kind": "which kind a route becomes follows from what it asks for",
    "LimitRule.name": "it names a counter, which is another one afterwards",
    "Listener.name": "it names nothing outside of the model",
    "NamedTls.name": "it names nothing outside of the model",
    "Oidc.name": "it names nothing outside of the model",
    "Opaque.value": "secrets are referred to where they are, and never written",
    "PassiveCheck.consecutive_local_failures": "it counts only where local errors are told apart, and is written there",
    "Security.handover": "the callers whose requests another rule decides are refused, and named",
    "Respond.reason": "it tells people why, and is in no answer",
    "Opaque.name": "what refers to a secret says which",
    "SocketSecret.name": "what refers to a secret says which",
    "SocketSecret.secret": "what came from a socket becomes a Secret that people make",
    "StreamRoute.kind": "which kind a route becomes follows from its listener",
    "StreamRoute.name": "the object that it comes from gives its name",
    "StreamRoute.rule": "the object that it comes from gives its name",
    "Listener.transport": "the protocols of its servers say it",
}
"""Fields without which nothing is lost, and why."""

_HELD_BACK = (Inference, Provider, Mcp, McpAccess, Stage)


def name_losses(writing: Writing, by_guest: Collection[str] | None = None) -> None:
    """Name every field that is set and not carried, at the nearest place in the source.

    `by_guest` are the fields that a guest takes care of in the rules that it writes, None where there is no guest.
    """
    for gateway in writing.model.gateways:
        _visit(writing, gateway, gateway.origin, by_guest)
    for backend in writing.model.backends:
        _visit(writing, backend, backend.origin or NOWHERE, by_guest)


def _visit(
    writing: Writing, node: Any, origin: Origin, by_guest: Collection[str] | None, carried: Collection[str] = ()
) -> None:
    """Name what is lost of a node and of all in it, without the fields that are `carried`."""
    if isinstance(node, tuple):
        for one in node:
            _visit(writing, one, origin, by_guest, carried)
    elif isinstance(node, msgspec.Struct) and not isinstance(node, (Origin, *_HELD_BACK)):
        is_guests = getattr(node, "inference", None) is not None and by_guest is not None
        if getattr(node, "mcp", None) is not None or (getattr(node, "inference", None) is not None and not is_guests):
            # The rule as a whole is left out, and named.
            return
        if is_guests and by_guest is not None:
            carried = by_guest
        node = _without_carried(writing, node)
        here = getattr(node, "origin", None) or origin
        kind: type[msgspec.Struct] = type(node)
        for name, default, sentence, rule in _listed(kind):
            if getattr(node, name) != default and f"{type(node).__name__}.{name}" not in carried:
                writing.losses.add(rule, here, sentence)
        if isinstance(node, HeaderEdit):
            _name_texts(writing, node, here)
        if isinstance(node, LoadBalancing) and node.kind == "ring_hash":
            text = "Envoy Gateway hashes into a table where there was a ring: clients move to other endpoints once"
            writing.losses.add(SETTING, here, text)
        for name in node.__struct_fields__:
            _visit(writing, getattr(node, name), here, by_guest, carried)


def _without_carried(writing: Writing, node: msgspec.Struct) -> msgspec.Struct:
    """A node without what is written in other words than its own."""
    if isinstance(node, Security):
        return fold_authorization(node)
    if isinstance(node, HttpRule):
        return msgspec.structs.replace(node, plugins=tuple(one for one in node.plugins if not is_fetched(one)))
    if isinstance(node, Backend) and (writing.members(node) or _is_even(node)):
        # Its shares are those of what it was joined of, or none.
        return msgspec.structs.replace(node, groups=())
    if isinstance(node, Timeouts) and node.attempt_idle and node.stream_idle == node.attempt_idle:
        # Silence on the stream is silence within its attempt, too.
        return msgspec.structs.replace(node, attempt_idle=None)
    return node


def _is_even(found: Backend) -> bool:
    """Whether endpoints are equals, so that their groups say nothing."""
    shares = {Fraction(group.weight, len(group.endpoints)) for group in found.groups if group.endpoints}
    return len(shares) <= 1 and len({group.priority for group in found.groups}) <= 1


def _name_texts(writing: Writing, found: HeaderEdit, origin: Origin) -> None:
    names = dict.fromkeys(name for name, value in (*found.set, *found.add) if isinstance(value, Text))
    if names:
        text = f"{', '.join(names)}: put together for each request, which has no place, and so taken off"
        writing.losses.add(REWRITE if "location" in map(str.lower, names) else SETTING, origin, text)


@cache
def _listed(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any, str, Rule], ...]:
    return tuple(_list(kind))


def _list(kind: type[msgspec.Struct]) -> Iterator[tuple[str, Any, str, Rule]]:
    tables = ((NOT_CARRIED, SETTING), (UNSAFE, SECURITY), (MOVED, REWRITE))
    for field in msgspec.structs.fields(kind):
        name = f"{kind.__name__}.{field.name}"
        for table, rule in tables:
            if name in table:
                yield field.name, field.default, table[name], rule
