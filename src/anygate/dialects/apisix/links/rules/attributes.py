"""Rules about the attributes of links and gateways."""

from anygate.diagnostics import Severity
from anygate.dialects.apisix.links.rules.example import CHAT, DOOR, SHOP, declare, with_attribute

SUBDOMAIN = declare(
    "subdomain",
    what="A link or gateway that serves a host has no subdomain, or one that is no DNS label.",
    why="The host is the subdomain and the domain of the stack.",
    wrong=SHOP.replace("subdomain: shop", "subdomain: my_shop"),
    right=SHOP,
)
HOST = declare(
    "host",
    what="A host is not a DNS name, or becomes too long.",
    why="A name has at most 253 characters, and 63 between two dots; port names and subdomains add up in one label.",
    wrong=with_attribute("additional_domain: https://shop.example.com"),
    right=with_attribute("additional_domain: shop.example.com secret=shop-tls"),
)
CIDR = declare(
    "cidr",
    what="An entry of a whitelist is neither an IP address nor a CIDR block.",
    why="APISIX would refuse the whole route.",
    wrong=with_attribute("ip_whitelist: 10.0.0.0/33"),
    right=with_attribute("ip_whitelist: 10.0.0.0/8"),
)
DURATION = declare(
    "duration",
    what="A timeout or time window is not a whole number of seconds of at least one.",
    why="The controller cuts off fractions of a second, which would leave no time at all.",
    wrong=with_attribute("apisix_timeout: {read: 500ms}"),
    right=with_attribute("apisix_timeout: {read: 5s}"),
)
SIZE = declare(
    "size",
    what="A size is not a number of bytes such as 10485760, 10m or 10Mi.",
    why="The limit of a request body must be known exactly; 0 means no limit.",
    wrong=with_attribute("max_body_size: 10 megabytes"),
    right=with_attribute("max_body_size: 10m"),
)
WEIGHT = declare(
    "weight",
    what="A weight is not a number from 0 to 1000, or all weights of a gateway are 0.",
    why="Somebody has to get the requests.",
    wrong=DOOR.replace("weight: 90", "weight: 0"),
    right=DOOR,
)
REGEX = declare(
    "regex",
    what="A pattern is not a regular expression.",
    why="A guard that does not compile guards nothing.",
    wrong=CHAT.replace("to: qwen}", 'to: qwen, deny_patterns: "(password"}'),
    right=CHAT.replace("to: qwen}", 'to: qwen, deny_patterns: "(password)"}'),
)
DUPLICATE_PLUGIN = declare(
    "duplicate-plugin",
    what="An entry of extra_plugins has the name of a plugin that is there already.",
    why="APISIX takes one configuration per plugin and would drop the other.",
    wrong=with_attribute("extra_plugins: [{name: gzip}, {name: gzip}]"),
    right=with_attribute("extra_plugins: [{name: gzip}]"),
)
ATTRIBUTE_UNUSED = declare(
    "attribute-unused",
    what="An attribute has no effect because the one that switches it on is off.",
    why="Whoever reads the stack may think that it protects something.",
    wrong=with_attribute("whitelist: false\n  ip_whitelist: 10.0.0.0/8"),
    right=with_attribute("whitelist: true\n  ip_whitelist: 10.0.0.0/8"),
    severity=Severity.WARNING,
)
WHITELIST_DEFAULT = declare(
    "whitelist-default",
    what="A whitelist is switched on without addresses, so that the stack's default holds.",
    why="Unless the stack says otherwise that is every private address range.",
    wrong=with_attribute("whitelist: true"),
    right=with_attribute("whitelist: true\n  ip_whitelist: 10.1.0.0/16"),
    severity=Severity.WARNING,
)
OIDC_SECRET = declare(
    "oidc-secret",
    what="OpenID Connect lacks fields that it needs, and no Secret is named that holds them.",
    why="The Secret is given a name by the link; without it in the cluster the route is refused.",
    wrong=with_attribute("apisix_oidc_enable: true"),
    right=with_attribute(
        "apisix_oidc_enable: true\n"
        "  apisix_oidc_secret: shop-oidc\n"
        "  apisix_oidc_param: {client_id: shop, discovery: https://sso.example.org/.well-known/openid-configuration}"
    ),
    severity=Severity.WARNING,
)
OIDC_PLAIN_HTTP = declare(
    "oidc-plain-http",
    what="Logins travel unencrypted: discovery is an http:// address, or the stack has no certificate.",
    why="Whoever sees the traffic can take over the session.",
    wrong=with_attribute(
        "apisix_oidc_enable: true\n"
        "  apisix_oidc_secret: shop-oidc\n"
        "  apisix_oidc_param: {client_id: shop, discovery: http://sso.example.org/.well-known/openid-configuration}"
    ),
    right=with_attribute(
        "apisix_oidc_enable: true\n"
        "  apisix_oidc_secret: shop-oidc\n"
        "  apisix_oidc_param: {client_id: shop, discovery: https://sso.example.org/.well-known/openid-configuration}"
    ),
    severity=Severity.WARNING,
)
TLS_COVERAGE = declare(
    "tls-coverage",
    what="A host is not covered by the certificate for the hosts right below the stack's domain.",
    why="Clients would refuse the connection. A wildcard certificate covers one label, not two, and not the domain.",
    wrong=with_attribute("additional_domain: shop.example.com"),
    right=with_attribute("additional_domain: shop.example.com secret=shop-tls"),
    severity=Severity.WARNING,
)
INLINE_SECRET = declare(
    "inline-secret",
    what="A secret value is written into the generated files as it is.",
    why="Route files are usually checked in, and everybody who may read them could use it.",
    wrong=DOOR.replace("subdomain: api}", "subdomain: api, api_key: s3cr3t}"),
    right=DOOR.replace("subdomain: api}", "subdomain: api, api_key: {secret: api-key}}"),
    severity=Severity.WARNING,
)
