"""Rules about gateways and AI gateways."""

from anygate.diagnostics import Severity
from anygate.dialects.apisix.links.rules.example import CHAT, DOOR, declare

GATEWAY_EMPTY = declare(
    "gateway-empty",
    what="No link goes out from a gateway, so that nothing is generated for it.",
    why="Its host answers with 404.",
    wrong=DOOR.replace("  - {name: api", "  - {name: old, subdomain: old}\n  - {name: api").replace(
        "to: orders,", "to: orders, from: api,"
    ),
    right=DOOR,
    severity=Severity.WARNING,
)
GATEWAY_SCHEME = declare(
    "gateway-scheme",
    what="The backends of one gateway speak different protocols.",
    why="They are nodes of one ApisixUpstream, which has one scheme.",
    wrong=DOOR.replace("links:", "- {name: new, type: external_source_code, scheme: https}\nlinks:")
    + "- {link: gateway-external_source_code, to: new}\n",
    right=DOOR.replace("links:", "- {name: new, type: external_source_code}\nlinks:")
    + "- {link: gateway-external_source_code, to: new}\n",
)
AI_ENDPOINT = declare(
    "ai-endpoint",
    what="The endpoint of an external AI provider is missing, or is not a host name with an optional port.",
    why="Connections go to that host by TLS; paths are those of the client's request.",
    wrong=CHAT.replace("api.openai.com", "https://api.openai.com/v1"),
    right=CHAT,
)
AI_PROVIDER = declare(
    "ai-provider",
    what="An AI provider is not openai, azure_openai or anthropic.",
    why="The provider says in which header the key is sent.",
    wrong=CHAT + "  ai_provider: openia\n",
    right=CHAT + "  ai_provider: openai\n",
)
AI_CONFLICT = declare(
    "ai-conflict",
    what="An external provider shares its host and path with another backend of the AI gateway.",
    why="Each provider has its own credential and host, so that its route cannot be merged with another.",
    wrong=CHAT.replace("  subdomain: openai\n", ""),
    right=CHAT,
)
AI_MERGE = declare(
    "ai-merge",
    what="Links that share a host and path of an AI gateway have different prompt or limit attributes.",
    why="They become one route, which has one set of rules.",
    wrong=CHAT.replace("links:\n", "links:\n- {link: ai_gateway-model, to: qwen-7b, deny_patterns: password}\n"),
    right=CHAT.replace("links:\n", "links:\n- {link: ai_gateway-model, to: qwen-7b}\n"),
)
AI_LIMIT_INERT = declare(
    "ai-limit-inert",
    what="There is a token limit that APISIX does not enforce, since its ai-proxy plugin does not choose the backend.",
    why="Here it is enforced; a real APISIX counts tokens only where ai-proxy or ai-proxy-multi is used.",
    wrong=CHAT.replace("to: qwen}", "to: qwen, ai_rate_limit: {limit: 500, time_window: 60}}"),
    right=CHAT,
    severity=Severity.WARNING,
)
