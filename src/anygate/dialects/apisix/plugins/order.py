"""The order in which APISIX runs plugins: the greatest priority first."""

from collections.abc import Mapping
from types import MappingProxyType

PRIORITIES: Mapping[str, int] = MappingProxyType(
    {
        "client-control": 22000,
        "request-id": 12015,
        "opentelemetry": 12009,
        "fault-injection": 11000,
        "cors": 4000,
        "ip-restriction": 3000,
        "csrf": 2980,
        "openid-connect": 2599,
        "wolf-rbac": 2555,
        "ldap-auth": 2540,
        "hmac-auth": 2530,
        "basic-auth": 2520,
        "jwt-auth": 2510,
        "key-auth": 2500,
        "consumer-restriction": 2400,
        "forward-auth": 2002,
        "proxy-cache": 1085,
        "ai-prompt-guard": 1072,
        "ai-prompt-template": 1071,
        "ai-prompt-decorator": 1070,
        "ai-proxy-multi": 1041,
        "ai-proxy": 1040,
        "ai-rate-limiting": 1030,
        "proxy-mirror": 1010,
        "proxy-rewrite": 1008,
        "api-breaker": 1005,
        "limit-conn": 1003,
        "limit-count": 1002,
        "limit-req": 1001,
        "gzip": 995,
        "traffic-split": 966,
        "redirect": 900,
        "response-rewrite": 899,
        "prometheus": 500,
        "echo": 412,
    }
)
"""The priorities that APISIX gives its plugins; one that is not listed comes last."""

LOGGING = frozenset(("prometheus",))
"""Plugins that look at a request when it is over, whichever of the others has answered it."""
