"""Every plugin that is known, by APISIX's name."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.apisix.plugins.ai.ai_prompt_decorator import AiPromptDecorator
from anygate.dialects.apisix.plugins.ai.ai_prompt_guard import AiPromptGuard
from anygate.dialects.apisix.plugins.ai.ai_prompt_template import AiPromptTemplate
from anygate.dialects.apisix.plugins.ai.ai_proxy import AiProxy
from anygate.dialects.apisix.plugins.ai.ai_proxy_multi import AiProxyMulti
from anygate.dialects.apisix.plugins.ai.ai_rate_limiting import AiRateLimiting
from anygate.dialects.apisix.plugins.observability.opentelemetry import Opentelemetry
from anygate.dialects.apisix.plugins.observability.prometheus import Prometheus
from anygate.dialects.apisix.plugins.plugin import Plugin
from anygate.dialects.apisix.plugins.security.basic_auth import BasicAuth
from anygate.dialects.apisix.plugins.security.consumer_restriction import ConsumerRestriction
from anygate.dialects.apisix.plugins.security.cors import Cors
from anygate.dialects.apisix.plugins.security.csrf import Csrf
from anygate.dialects.apisix.plugins.security.forward_auth import ForwardAuthPlugin
from anygate.dialects.apisix.plugins.security.hmac_auth import HmacAuth
from anygate.dialects.apisix.plugins.security.ip_restriction import IpRestriction
from anygate.dialects.apisix.plugins.security.jwt_auth import JwtAuth
from anygate.dialects.apisix.plugins.security.key_auth import KeyAuth
from anygate.dialects.apisix.plugins.security.ldap_auth import LdapAuth
from anygate.dialects.apisix.plugins.security.openid_connect import OpenIdConnect
from anygate.dialects.apisix.plugins.security.wolf_rbac import WolfRbac
from anygate.dialects.apisix.plugins.traffic.api_breaker import ApiBreaker
from anygate.dialects.apisix.plugins.traffic.client_control import ClientControl
from anygate.dialects.apisix.plugins.traffic.limit_conn import LimitConn
from anygate.dialects.apisix.plugins.traffic.limit_count import LimitCount
from anygate.dialects.apisix.plugins.traffic.limit_req import LimitReq
from anygate.dialects.apisix.plugins.traffic.proxy_cache import ProxyCache
from anygate.dialects.apisix.plugins.traffic.proxy_mirror import ProxyMirror
from anygate.dialects.apisix.plugins.traffic.request_id import RequestIdPlugin
from anygate.dialects.apisix.plugins.traffic.traffic_split import TrafficSplit
from anygate.dialects.apisix.plugins.transformation.echo import Echo
from anygate.dialects.apisix.plugins.transformation.fault_injection import FaultInjection
from anygate.dialects.apisix.plugins.transformation.gzip import Gzip
from anygate.dialects.apisix.plugins.transformation.proxy_rewrite import ProxyRewrite
from anygate.dialects.apisix.plugins.transformation.redirect import RedirectPlugin
from anygate.dialects.apisix.plugins.transformation.response_rewrite import ResponseRewrite

PLUGINS: Mapping[str, Plugin] = MappingProxyType(
    {
        plugin.name: plugin
        for plugin in (
            # one line per plugin, sorted by name
            AiPromptDecorator(),
            AiPromptGuard(),
            AiPromptTemplate(),
            AiProxy(),
            AiProxyMulti(),
            AiRateLimiting(),
            ApiBreaker(),
            BasicAuth(),
            ClientControl(),
            ConsumerRestriction(),
            Cors(),
            Csrf(),
            Echo(),
            FaultInjection(),
            ForwardAuthPlugin(),
            Gzip(),
            HmacAuth(),
            IpRestriction(),
            JwtAuth(),
            KeyAuth(),
            LdapAuth(),
            LimitConn(),
            LimitCount(),
            LimitReq(),
            OpenIdConnect(),
            Opentelemetry(),
            Prometheus(),
            ProxyCache(),
            ProxyMirror(),
            ProxyRewrite(),
            RedirectPlugin(),
            RequestIdPlugin(),
            ResponseRewrite(),
            TrafficSplit(),
            WolfRbac(),
        )
    }
)
