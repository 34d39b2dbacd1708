"""The diagnostics about what objects mean together; each page is shown by `anygate rule ID`."""

from anygate.diagnostics import Rule, Severity
from anygate.dialects.apisix.examples import (
    ALL,
    INGRESS,
    NODES,
    ROUTE,
    SERVICE,
    TLS,
    UPSTREAM,
    join,
    render_consumer,
    render_match,
    render_object,
    render_rule,
    render_stream,
    render_upstream,
)

OTHER_CLASS = Rule(
    "apisix-class",
    Severity.WARNING,
    what="An object names a class that is not read.",
    why="It has no effect at all, and requests that it would have taken are answered with 404.",
    wrong=join(SERVICE, ROUTE.replace("spec:\n", "spec:\n  ingressClassName: nginx\n")),
    right=join(SERVICE, ROUTE.replace("spec:\n", "spec:\n  ingressClassName: apisix\n")),
)

INGRESS_CLASS = Rule(
    "apisix-ingress-class",
    Severity.NOTE,
    what="An Ingress is of a class that is not read.",
    why="It is for another controller; here it has no effect.",
    wrong=join(SERVICE, INGRESS.replace("spec:\n", "spec:\n  ingressClassName: nginx\n")),
    right=join(SERVICE, INGRESS.replace("spec:\n", "spec:\n  ingressClassName: apisix\n")),
)

INGRESS_ANNOTATION = Rule(
    "apisix-annotation",
    Severity.WARNING,
    what="An annotation of an Ingress has no effect.",
    why="APISIX's controller passes over annotations that it does not know or cannot read, without a word.",
    wrong=join(SERVICE, INGRESS.replace("items}", "items, annotations: {k8s.apisix.apache.org/enable-core: 'true'}}")),
    right=join(SERVICE, INGRESS.replace("items}", "items, annotations: {k8s.apisix.apache.org/enable-cors: 'true'}}")),
)

NOT_HONOURED = Rule(
    "apisix-not-honoured",
    Severity.WARNING,
    what="A field has no effect here.",
    why="Envoy has nothing for it, or it is about something that does not run here.",
    wrong=render_upstream(NODES + "tlsSecret: {name: mine, namespace: default}"),
    right=UPSTREAM,
)

APPROXIMATED = Rule(
    "apisix-approximated",
    Severity.NOTE,
    what="Envoy does nearly the same as APISIX, and it is said where it differs.",
    why="Under unusual load or for unusual answers somebody may notice the difference.",
    wrong=render_upstream(NODES + "loadbalancer: {type: ewma}"),
    right=render_upstream(NODES + "loadbalancer: {type: least_conn}"),
)

DIFFERENT_SETTINGS = Rule(
    "apisix-different-settings",
    Severity.WARNING,
    what="The backends of one rule have timeouts, retries or hashing of their own that differ.",
    why="A rule has these once for all of its backends; those of the first one hold.",
    wrong=render_rule(
        "upstreams: [{name: outside}]",
        render_object("ApisixUpstream", "outside", NODES + "timeout: {connect: 5s, read: 5s, send: 5s}"),
    ),
    right=render_rule("upstreams: [{name: outside}]", render_object("ApisixUpstream", "outside", NODES)),
)

BACKEND_DROPPED = Rule(
    "apisix-backend-missing",
    Severity.WARNING,
    what="A rule or an upstream names a Service, or a port of it, that is not there.",
    why="The others take its share, as in APISIX; if nothing is left requests are answered with 503.",
    wrong=ROUTE,
    right=ALL,
)

NO_ENDPOINTS = Rule(
    "apisix-no-endpoints",
    Severity.NOTE,
    what="A Service that routes use has no endpoints in the manifests, or is not there itself.",
    why="Outside a cluster nothing says where its pods are: requests get 503, connections are closed.",
    wrong=join(SERVICE.partition("---\n")[0], ROUTE),
    right=ALL,
)

NOT_FOUND = Rule(
    "apisix-not-found",
    Severity.ERROR,
    what="A rule refers to an ApisixUpstream or an ApisixPluginConfig that is not there, or that is of no use.",
    why="The rule cannot run as it is meant; its requests are answered with 503.",
    wrong=render_rule("plugin_config_name: shared"),
    right=ALL,
)

DISCOVERY = Rule(
    "apisix-discovery",
    Severity.ERROR,
    what="An upstream asks a registry for its nodes that is not reached from here.",
    why="Only DNS is; requests are answered with 503.",
    wrong=render_upstream("discovery: {type: nacos, serviceName: items}"),
    right=render_upstream("discovery: {type: dns, serviceName: items.example.com}"),
)

CONDITION = Rule(
    "apisix-condition",
    Severity.ERROR,
    what="A rule asks for something of a request that Envoy cannot decide when it chooses a route.",
    why="Requests that meet all that can be asked for are answered with 503: a wider rule may be less guarded.",
    wrong=render_match('{paths: ["/*"], exprs: [{subject: {scope: Path}, op: RegexMatch, value: "a(?!b)"}]}'),
    right=render_match('{paths: ["/*"], exprs: [{subject: {scope: Path}, op: RegexMatch, value: "a[^b]"}]}'),
)

UNKNOWN_PLUGIN = Rule(
    "apisix-unknown-plugin",
    Severity.ERROR,
    what="A plugin is not known here.",
    why="It may be what guards the rule, so the rule's requests are answered with 503; other rules are served.",
    wrong=render_rule("plugins: [{name: corse, enable: true}]"),
    right=ALL,
)

PLUGIN_CONFIG = Rule(
    "apisix-plugin-config",
    Severity.ERROR,
    what="What is configured for a plugin, a consumer or an inline upstream cannot be had.",
    why="A rule whose guard it is answers 503, and a consumer is not let in; other plugins are left out.",
    wrong=join(
        SERVICE,
        render_object(
            "ApisixRoute",
            "items",
            """
    stream:
    - name: items
      protocol: TCP
      match: {ingressPort: 9100}
      backend: {serviceName: items, servicePort: 80}
      plugins: [{name: ip-restriction, config: {whitelist: [10.0.0.0/8], blacklist: [10.1.0.0/16]}}]
    """,
        ),
    ),
    right=join(SERVICE, render_stream(9100)),
)

PLUGIN_SKIPPED = Rule(
    "apisix-plugin-skipped",
    Severity.WARNING,
    what="A plugin is left out.",
    why="Requests are served without what it does; it does not decide who is let in.",
    wrong=join(
        SERVICE,
        render_object(
            "ApisixRoute",
            "items",
            """
    stream:
    - name: items
      protocol: TCP
      match: {ingressPort: 9100}
      backend: {serviceName: items, servicePort: 80}
      plugins: [{name: syslog, config: {host: 127.0.0.1, port: 514}}]
    """,
        ),
    ),
    right=join(SERVICE, render_stream(9100)),
)

GLOBAL_TWICE = Rule(
    "apisix-global-twice",
    Severity.WARNING,
    what="Two ApisixGlobalRules have the same plugin.",
    why="APISIX does not say which one holds; here the first by namespace and name does.",
    wrong=join(
        ALL,
        render_object("ApisixGlobalRule", "one", "plugins: [{name: cors}]"),
        render_object("ApisixGlobalRule", "two", "plugins: [{name: cors}]"),
    ),
    right=join(ALL, render_object("ApisixGlobalRule", "one", "plugins: [{name: cors}]")),
)

UNKNOWN_TYPE = Rule(
    "apisix-unknown-authentication",
    Severity.WARNING,
    what="The authentication of a rule is of a type that nothing has.",
    why="The controller takes it for basicAuth, and so does anygate.",
    wrong=render_rule("authentication: {enable: true, type: basic}"),
    right=render_rule("authentication: {enable: true, type: basicAuth}"),
)

_MODELS = "{name: ai-proxy, config: {provider: openai, auth: {header: {Authorization: Bearer secret}}}}"

CONSUMER_PLUGIN = Rule(
    "apisix-consumer-plugin",
    Severity.ERROR,
    what="A consumer has plugins of its own, and a rule for AI models can tell who it is.",
    why="What is done with prompts and models cannot depend on who asks; the consumer is not let in there.",
    wrong=render_consumer("{name: ip-restriction, config: {whitelist: [10.0.0.0/8]}}", _MODELS),
    right=render_consumer("{name: limit-count, config: {count: 9, time_window: 60}}", _MODELS),
)

CONSUMER_PLUGIN_LATE = Rule(
    "apisix-consumer-plugin-late",
    Severity.WARNING,
    what="A consumer has a plugin that a route has too, which has run before it is known who asks.",
    why="As in APISIX, the route's own has dealt with the request by then; the consumer's is left out there.",
    wrong=render_consumer("{name: proxy-rewrite, config: {uri: /mine}}", "{name: proxy-rewrite, config: {uri: /a}}"),
    right=render_consumer("{name: proxy-rewrite, config: {uri: /mine}}", "{name: cors, config: {}}"),
)

SECRET = Rule(
    "apisix-secret",
    Severity.ERROR,
    what="A Secret or a certificate is not there, or does not hold what is needed.",
    why="What needs it is closed: a server name is refused, and the requests of a rule are answered with 503.",
    wrong=join(ALL, render_object("ApisixConsumer", "me", "authParameter: {keyAuth: {secretRef: {name: my-key}}}")),
    right=ALL,
)

NO_CERTIFICATE = Rule(
    "apisix-no-certificate",
    Severity.WARNING,
    what="The Secret with the certificate of some hosts is not among the manifests.",
    why="Nobody can connect to them over TLS; a cluster may have it, from cert-manager for instance.",
    wrong=join(ALL, TLS),
    right=ALL,
)

STAND_IN = Rule(
    "apisix-stand-in-certificate",
    Severity.NOTE,
    what="A certificate of the settings is shown for hosts whose own is not among the manifests.",
    why="TLS can be tried with the one that `anygate run --stub` makes; no client trusts it unless told to.",
    wrong=join(
        ALL,
        TLS,
        render_object(
            "ApisixSettings",
            "mine",
            "standInCertificate: {name: other, namespace: default}",
            "anygate.dev/v1alpha1",
        ),
    ),
    right=ALL,
)

TLS_CONFLICT = Rule(
    "apisix-tls-conflict",
    Severity.ERROR,
    what="Two ApisixTls have different certificates, or ask different things of clients, for one server name.",
    why="A connection can get one of them only; the first by namespace and name holds.",
    wrong=ALL,
    right=join(SERVICE, ROUTE.replace("items", "others", 1)),
    external=True,
)

STREAM_PORT = Rule(
    "apisix-stream-port",
    Severity.ERROR,
    what="A stream rule has a port that is taken, or asks for what its port cannot do.",
    why="It is left out: nobody could tell which of two rules a connection is for.",
    wrong=join(SERVICE, render_stream(9100), render_stream(9100, "others")),
    right=join(SERVICE, render_stream(9100), render_stream(9101, "others")),
)

UNVERIFIED = Rule(
    "apisix-unverified",
    Severity.NOTE,
    what="Requests are sent over TLS without verifying who answers.",
    why="APISIX does so too. Whoever can redirect the traffic can read it, credentials included.",
    wrong=render_upstream("scheme: https\nexternalNodes: [{type: Domain, name: api.example.com}]"),
    right=UPSTREAM,
)

UPGRADES = Rule(
    "apisix-websocket",
    Severity.NOTE,
    what="Some routes allow WebSockets and others do not.",
    why="APISIX takes a request for one that is not allowed as a plain one. Envoy answers it with 403.",
    wrong=join(
        SERVICE,
        render_object(
            "ApisixRoute",
            "live",
            """
    http:
    - name: live
      match: {paths: ["/live"]}
      websocket: true
      backends: [{serviceName: items, servicePort: 80}]
    """,
        ),
        ROUTE,
    ),
    right=ALL,
)
