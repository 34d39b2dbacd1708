"""A model in which every kind of node occurs, with something to see of each of its fields."""

from datetime import timedelta

import msgspec
import trustme
from build_models import ORIGIN, backend, forward, listener, model, prefix, route, rule, server, target
from full_inference import AI_RULES, PROVIDERS
from full_mcp import MCP_RULES, MCP_SERVERS
from wasmtime import wat2wasm

from anygate.manifests.sensitive import Sensitive
from anygate.model import (
    answers,
    breaker,
    cache,
    checks,
    compression,
    edit,
    limits,
    match,
    prompts,
    request_id,
    retry,
    security,
    telemetry,
    text,
    wasm,
    wording,
)
from anygate.model import backend as b
from anygate.model import listener as l
from anygate.model import route as r
from anygate.model import tls as t
from anygate.model.root import Model

_SECOND = timedelta(seconds=1)
_AUTHORITY = trustme.CA()
_ISSUED = _AUTHORITY.issue_cert("a.example.com", "*.example.com")
CERTIFICATE = t.Certificate(
    origin=ORIGIN,
    name="certificate",
    chain=Sensitive(b"".join(pem.bytes() for pem in _ISSUED.cert_chain_pems)),
    key=Sensitive(_ISSUED.private_key_pem.bytes()),
)
AUTHORITIES = t.Authorities(origin=ORIGIN, name="authorities", bundle=Sensitive(_AUTHORITY.cert_pem.bytes()))
SECRETS = (
    CERTIFICATE,
    AUTHORITIES,
    t.CertificateFiles(origin=ORIGIN, name="files", chain_path="/tls/chain.pem", key_path="/tls/key.pem"),
    t.AuthoritiesFile(origin=ORIGIN, name="trusted", path="/tls/trusted.pem"),
    t.SocketSecret(origin=ORIGIN, name="socket", secret="web", socket="/run/sds.sock"),
    t.Opaque(origin=ORIGIN, name="jwks", value=Sensitive(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')),
    t.Opaque(origin=ORIGIN, name="opaque", value=Sensitive(b"user:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")),
    t.Opaque(origin=ORIGIN, name="keys", value=Sensitive(b'{"client": "key"}')),
)
PARAMETERS = t.TlsParameters(min_version="1.2", max_version="1.3", ciphers=("ECDHE-RSA-AES128-GCM-SHA256",))
NAMES = (t.NameMatch(kind="dns", value="a.example.com"),)
SERVER_TLS = t.ServerTls(
    origin=ORIGIN,
    certificates=("certificate",),
    parameters=PARAMETERS,
    client_validation=t.ClientValidation(origin=ORIGIN, authorities="authorities", names=NAMES),
)
CLIENT_TLS = t.ClientTls(
    origin=ORIGIN,
    sni="a.example.com",
    authorities="authorities",
    names=NAMES,
    certificate="socket",
    parameters=PARAMETERS,
)
EDIT = edit.HeaderEdit(set=(("x-set", "1"),), add=(("x-add", "1"),), remove=("x-remove",))
CONNECTION = b.Connection(
    active_check=b.ActiveCheck(kind="http", http=b.HttpCheck(path="/healthz")),
    passive_check=b.PassiveCheck(),
    circuit_breaker=b.CircuitBreaker(retry_budget_percent=20.0),
    keepalive=b.Keepalive(probes=3),
    http2=b.Http2(ping_interval=_SECOND),
)
HTTP = l.HttpServer(
    early_request_headers=EDIT,
    late_response_headers=EDIT,
    client_certificate_header="sanitize_set",
    client_certificate_details=("subject",),
    caller_headers=("x-caller",),
)
CALLED = l.HttpServer(caller_headers=("x-caller",))
TEXT_LOG = l.AccessLog(path="/dev/null", text="%RESPONSE_CODE%\n")
JSON_LOG = l.AccessLog(path="/dev/null", fields=(("code", "%RESPONSE_CODE%"),))


def values(*kinds: str) -> tuple[match.ValueMatch, ...]:
    return tuple(match.ValueMatch(name=f"x-{kind}", kind=kind, value="v", range_end=9) for kind in kinds)  # type: ignore[arg-type]


MATCH = match.HttpMatch(
    origin=ORIGIN,
    path=match.PathMatch(kind="prefix", value="/a"),
    method="GET",
    headers=values("exact", "regex", "range", "present"),
    query=values("exact"),
    cookies=values("exact"),
    rank=(1,),
    source_cidrs=("10.0.0.0/8",),
    client_certificate=False,
    body=values("exact"),
    is_read=True,
)
ADMISSION = security.Authorization(
    origin=ORIGIN,
    rules=(
        security.AuthorizationRule(
            origin=ORIGIN,
            name="outside",
            allow=False,
            principal=security.Principal(cidrs=("10.0.0.0/8",), other_headers=(("x-h", ("v",)),)),
            methods=("GET",),
        ),
    ),
    allow_by_default=True,
)
CHECKS = (
    checks.HmacCheck(origin=ORIGIN, secret="keys", header="x-caller", body_limit=1000),
    checks.CsrfCheck(origin=ORIGIN, secret="opaque", name="x-token", lifetime=timedelta(hours=1)),
    checks.LdapCheck(
        origin=ORIGIN,
        host="ldap.test",
        port=389,
        base_dn="dc=test",
        attribute="cn",
        users=(("cn=ann,dc=test", "ann"),),
        header="x-caller",
    ),
    checks.WolfCheck(
        origin=ORIGIN,
        applications=(checks.WolfApplication(id="shop", caller="shop", server="http://wolf.test"),),
        header="x-caller",
    ),
)
SECURITY = security.Security(
    origin=ORIGIN,
    admission=ADMISSION,
    checks=CHECKS,
    caller=security.Caller(origin=ORIGIN, header="x-caller", name="everybody"),
    handover=security.Handover(
        origin=ORIGIN, header="x-caller", mark="x-anygate-rule", rules=(("everybody", "another"),)
    ),
    basic=security.BasicAuth(origin=ORIGIN, secret="opaque"),
    api_key=security.ApiKeyAuth(origin=ORIGIN, secrets=("keys",), headers=("x-key",)),
    jwt=security.Jwt(
        origin=ORIGIN,
        providers=(
            security.JwtProvider(origin=ORIGIN, name="p", issuer="i", jwks_uri="https://a/jwks", jwks_backend="web"),
        ),
    ),
    oidc=security.Oidc(
        origin=ORIGIN,
        name="login",
        issuer="https://issuer",
        client_id="me",
        client_secret="opaque",
        hmac_secret="keys",
        token_backend="web",
        authorization_endpoint="https://issuer/authorize",
        token_endpoint="https://issuer/token",
        end_session_endpoint="https://issuer/end",
        deny_redirect=values("exact"),
        userinfo_endpoint="https://issuer/userinfo",
        userinfo_backend="web",
    ),
    introspection=security.Introspection(
        origin=ORIGIN, endpoint="https://issuer/introspect", backend="web", credential="opaque"
    ),
    userinfo_header="x-userinfo",
    ext_auth=security.ExtAuth(origin=ORIGIN, protocol="http", backend="web"),
    authorization=security.Authorization(
        origin=ORIGIN,
        rules=(
            security.AuthorizationRule(
                origin=ORIGIN,
                name="some",
                allow=True,
                principal=security.Principal(
                    cidrs=("10.0.0.0/8",),
                    jwt_provider="p",
                    jwt_claims=(security.ClaimMatch(name="sub", values=("a",)),),
                    jwt_scopes=("read",),
                    headers=(("x-h", ("v",)),),
                ),
            ),
        ),
    ),
)
MIRROR = r.Mirror(origin=ORIGIN, backend="mirror", numerator=50)
RULE = rule(
    "web",
    MATCH,
    request_headers=EDIT,
    response_headers=EDIT,
    rewrite=edit.Rewrite(host="h", path=edit.PathRewrite(kind="full", value="/full")),
    mirrors=(MIRROR,),
    timeouts=r.Timeouts(request=_SECOND),
    retry=retry.Retry(origin=ORIGIN, triggers=("5xx",), backoff=_SECOND, max_backoff=_SECOND * 10),
    session=r.Session(origin=ORIGIN, kind="cookie", name="s", absolute_timeout=_SECOND),
    hash_policies=(r.HashPolicy(kind="cookie", name="c", ttl=_SECOND, attributes=(("SameSite", "Lax"),)),),
    cors=security.Cors(origin=ORIGIN, allow_origins=("https://a.example",)),
    security=SECURITY,
    faults=limits.Faults(origin=ORIGIN, delay=_SECOND, abort_status=503),
    rate_limit=limits.RateLimit(
        origin=ORIGIN,
        rules=(
            limits.LimitRule(
                origin=ORIGIN,
                requests=10,
                unit=_SECOND,
                selectors=(
                    limits.LimitSelector(
                        headers=values("exact"),
                        methods=("GET",),
                        path=match.PathMatch(kind="prefix", value="/a"),
                        cidr="10.0.0.0/8",
                    ),
                ),
            ),
            limits.LimitRule(
                origin=ORIGIN,
                requests=10,
                unit=_SECOND,
                scope="global",
                selectors=(limits.LimitSelector(query=values("exact"), distinct_headers=("x-user",)),),
                request_cost=0,
                response_cost=limits.MetadataNumber(namespace="a", key="b"),
                limit_from=limits.MetadataNumber(namespace="a", key="limit"),
            ),
            limits.LimitRule(
                origin=ORIGIN,
                requests=10,
                unit=_SECOND,
                scope="global",
                response_cost=limits.Expression(expression="1"),
            ),
        ),
    ),
    request_buffer=1000,
    inject=r.Credential(origin=ORIGIN, secret="opaque"),
    cors_headers=security.CorsHeaders(origin=ORIGIN, allow_origins=("https://a.example",), allow_methods="GET"),
    wordings=(
        wording.Wording(cause="key_missing", body="who?"),
        wording.Wording(cause="denied", rule="some", body="no", status=404, challenge="Basic"),
    ),
)
NAMED = (
    security.Security(
        origin=ORIGIN,
        basic=security.BasicAuth(origin=ORIGIN, secret="opaque", forward_header="x-user"),
        caller=security.Caller(origin=ORIGIN, header="x-caller", users=(("ann", "one"),)),
        forward_auth=security.ForwardAuth(
            origin=ORIGIN,
            url="http://auth.test/check",
            backend="web",
            failure=edit.Respond(origin=ORIGIN, status=403),
            told=(("x-path", text.Text(parts=(text.Variable(kind="path"),))),),
        ),
    ),
    security.Security(
        origin=r.Origin(kind="Test", namespace="default", name="tokens"),
        jwt=security.Jwt(
            origin=r.Origin(kind="Test", namespace="default", name="tokens"),
            providers=(security.JwtProvider(origin=ORIGIN, name="p", jwks_secret="jwks"),),
        ),
        caller=security.Caller(origin=ORIGIN, header="x-caller", claim="key", tokens=(("p", "k", "one"),)),
    ),
)
TEXT = text.Text(parts=("to ", text.Variable(kind="header", name="x-user"), text.SecretValue(secret="opaque")))
PLAIN_TEXT = text.Text(parts=("to ", text.Variable(kind="header", name="x-user")))
HIDDEN = edit.HeaderEdit(set=(("x-hidden", TEXT),), add=(("x-open", "1"),))
LIMIT = limits.LimitRule(
    origin=ORIGIN,
    requests=10,
    unit=_SECOND,
    scope="global",
    window="concurrent",
    calm=3,
    delay=_SECOND,
    selectors=(limits.LimitSelector(distinct_text=PLAIN_TEXT),),
    answer=limits.LimitAnswer(body="{}", content_type="application/json", headers=("x-l", "x-r", "x-w")),
    fail_closed=True,
)
ANSWERED = rule(
    forward("web"),
    prefix("/answered"),
    rewrite=edit.Rewrite(
        path=edit.PathRewrite(kind="text", value="/text", text=PLAIN_TEXT), method="PUT", query="a=b", host="h"
    ),
    answers=(
        answers.AnswerEdit(
            origin=ORIGIN,
            statuses=((500, 599),),
            status=200,
            headers=EDIT,
            before=b"<",
            after=b">",
            replacements=(answers.Replacement(find="a", value="b"),),
        ),
        answers.AnswerEdit(origin=ORIGIN, body=b"other"),
    ),
    cache=cache.Cache(
        origin=ORIGIN,
        strategy="memory",
        zone="z",
        lifetime=9 * _SECOND,
        key=("k", text.Variable(kind="header", name="x-a")),
        callers=(("c",),),
        bypass=("b",),
        excluded=("e",),
    ),
    breaker=breaker.Breaker(origin=ORIGIN, status=503, body="open", headers=(("x-open", "1"),)),
    compression=compression.Compression(origin=ORIGIN, types=("text/html",)),
    request_id=request_id.RequestId(origin=ORIGIN, form="range", letters="abc", length=9),
    metering=telemetry.Metering(origin=ORIGIN, route="r", service="s", caller="x-caller"),
    trace=telemetry.Trace(origin=ORIGIN, share=0.5, follow=True, attributes=(("a", "b"),)),
    rate_limit=limits.RateLimit(
        origin=ORIGIN, rules=(LIMIT, msgspec.structs.replace(LIMIT, window="leaky", smooth=True, calm=0))
    ),
)
SHARED = rule(
    forward(
        target(
            "web",
            request_headers=EDIT,
            response_headers=EDIT,
            rewrite=edit.Rewrite(path=edit.PathRewrite(kind="regex", pattern="a", value="b")),
            mirrors=(MIRROR,),
        ),
        target(
            "mirror", redirect=edit.Redirect(origin=ORIGIN, host="h", path=edit.PathRewrite(kind="full", value="/"))
        ),
    ),
    prefix("/shared"),
)


def module(text: str) -> wasm.WasmModule:
    return wasm.WasmModule(origin=ORIGIN, content=bytes(wat2wasm(f"(module {text})")))


SANDBOXED = module(
    '(memory (export "memory") 1) (func (export "alloc") (param i32) (result i32) i32.const 0)'
    ' (func (export "on_request") (result i32) i32.const 0)'
)
NATIVE = module(
    '(memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))'
    ' (func (export "malloc") (param i32) (result i32) i32.const 1024)'
)
FETCHED = wasm.WasmModule(origin=ORIGIN, url="https://example.com/a.wasm", digest="0" * 64)
PLUGGED = rule(
    forward("web"),
    prefix("/plugged"),
    plugins=(
        wasm.WasmPlugin(origin=ORIGIN, name="sandboxed", module=SANDBOXED, hooks=("onRequest",)),
        wasm.WasmPlugin(origin=ORIGIN, name="native", module=NATIVE),
        wasm.WasmPlugin(origin=ORIGIN, name="fetched", module=FETCHED),
    ),
)
PROMPTED = rule(
    forward("web"),
    prefix("/prompted"),
    prompts=prompts.Prompts(
        origin=ORIGIN,
        templates=(
            prompts.PromptTemplate(
                name="t", parts=(prompts.PromptPart(text='{"a":"'), prompts.PromptPart(path=("b",)))
            ),
        ),
        guards=(prompts.PromptGuard(origin=ORIGIN, allow=("a",), deny=("b",), all_roles=True, whole_history=True),),
        decorations=(
            prompts.PromptDecoration(
                origin=ORIGIN,
                prepend=(prompts.PromptMessage(role="system", content="one"),),
                append=(prompts.PromptMessage(role="user", content="two"),),
            ),
        ),
    ),
)
RULES = (
    RULE,
    PLUGGED,
    PROMPTED,
    ANSWERED,
    SHARED,
    rule(
        forward("web", target("mirror", request_headers=EDIT)),
        prefix("/weights"),
        hash_policies=(r.HashPolicy(kind="source_ip"),),
        hashes_targets=True,
    ),
    rule(edit.Redirect(origin=ORIGIN, path=edit.PathRewrite(kind="prefix", value="/p")), prefix("/redirect")),
    rule(edit.Respond(origin=ORIGIN, status=200, body="hello"), prefix("/respond")),
    rule(edit.Respond(origin=ORIGIN, status=200, text=TEXT), prefix("/respond/text"), response_headers=HIDDEN),
    rule(r.Continue(origin=ORIGIN, stage="second"), prefix("/continue")),
    *(rule(forward("web"), prefix(f"/named/{at}"), security=one) for at, one in enumerate(NAMED)),
    rule(forward("web"), match.HttpMatch(origin=ORIGIN, path=match.PathMatch(kind="exact", value="/Exact"))),
)


def stream(kind: str, *targets: r.BackendTarget, **fields: object) -> r.StreamRoute:
    return r.StreamRoute(origin=ORIGIN, name=f"default/{kind}", kind=kind, targets=targets, **fields)  # type: ignore[arg-type]


BACKENDS = (
    backend("web", 8001, 8002, connection=CONNECTION, protocol="http2"),
    backend("mirror", 8003),
    backend("named", 443, host="example.com", tls=CLIENT_TLS, protocol="auto"),
    backend("grpc", 8004, protocol="http2", connection=b.Connection(active_check=b.ActiveCheck(kind="grpc"))),
    backend("tcp", 8005, protocol="tcp", connection=b.Connection(active_check=b.ActiveCheck(kind="tcp"))),
    backend("dynamic", dynamic=True),
    backend("maglev", 8006, connection=b.Connection(balancing=b.LoadBalancing(kind="maglev"))),
    backend(
        "zones",
        groups=(
            b.EndpointGroup(endpoints=(b.Endpoint(host="127.0.0.1", port=1),), zone="a"),
            b.EndpointGroup(endpoints=(b.Endpoint(host="127.0.0.1", port=2),), zone="b"),
            b.EndpointGroup(endpoints=(b.Endpoint(unix="/tmp/s"),), zone="c"),
        ),
    ),
)


TCP = stream("TCPRoute", target("tcp"), target("web"), allowed_sources=("10.0.0.0/8",), connection_limit=3)
OTHER_TCP = r.StreamRoute(origin=ORIGIN, name="default/other", kind="TCPRoute", targets=(target("tcp"),))


def full_model() -> Model:
    plain = l.ClientConnection(keepalive=b.Keepalive(probes=3), connection_limit=5)
    whole = model(
        [
            listener(
                1080,
                server(http=HTTP, access_log=TEXT_LOG, routes=(route("web", *RULES), route("api", *RULES))),
                connection=plain,
            ),
            listener(
                1443,
                server(
                    "https",
                    "https",
                    hostname="a.example.com",
                    tls=SERVER_TLS,
                    http=CALLED,
                    spans=telemetry.SpanSource(service="web", resource=(("team", "a"),)),
                    routes=(route("tls", *RULES),),
                ),
                server("wild", "https", hostname="*.example.com", tls=SERVER_TLS),
                server(
                    "pass", "tls_passthrough", hostname="b.example.com", streams=(stream("TLSRoute", target("tcp")),)
                ),
                server(
                    "end",
                    "tls_terminate",
                    hostname="c.example.com",
                    tls=SERVER_TLS,
                    streams=(stream("TLSRoute", target("tcp")),),
                ),
            ),
            listener(
                1444,
                server(
                    "named",
                    "https",
                    named_tls=(
                        l.NamedTls(origin=ORIGIN, name="named/a", server_names=("a.example.com",), tls=SERVER_TLS),
                        l.NamedTls(origin=ORIGIN, name="named/b", server_names=("*.example.com",), tls=SERVER_TLS),
                    ),
                    routes=(route("named", RULES[-1]),),
                ),
            ),
            listener(
                1081,
                server(
                    http=l.HttpServer(client_ip_header="x-client", caller_headers=("x-caller",)),
                    access_log=JSON_LOG,
                    routes=(
                        route(
                            "narrow",
                            RULES[-1],
                            rule(forward("web"), prefix("/low", rank=(1,))),
                            hostnames=("a.example.org",),
                        ),
                        route(
                            "wide",
                            RULES[-1],
                            rule(forward("web"), prefix("/ranked", rank=(5,))),
                            hostnames=("*.example.org",),
                        ),
                    ),
                ),
            ),
            listener(1082, server("ai", routes=(route("ai", *AI_RULES),))),
            listener(1083, server("mcp", routes=(route("mcp", *MCP_RULES),))),
            listener(1000, server("tcp", "tcp", streams=(TCP, OTHER_TCP)), connection=plain),
            listener(
                1053, server("udp", "udp", streams=(stream("UDPRoute", target("tcp"), target("web")),)), transport="udp"
            ),
        ],
        (*BACKENDS, *PROVIDERS, *MCP_SERVERS),
        SECRETS,
        (l.Stage(origin=ORIGIN, name="second", routes=(route("second", *RULES[1:3]),)),),
    )
    (gateway,) = whole.gateways
    told = msgspec.structs.replace(
        gateway,
        exporter=telemetry.Exporter(origin=ORIGIN),
        collector=telemetry.Collector(origin=ORIGIN, url="http://collector:4318/v1/traces"),
    )
    return msgspec.structs.replace(whole, gateways=(told,))
