"""Every plugin that is known, by APISIX's name."""

from collections.abc import Mapping
from types import MappingProxyType

from anygate.dialects.apisix.plugins.ai_prompt_decorator import AiPromptDecorator
from anygate.dialects.apisix.plugins.ai_prompt_guard import AiPromptGuard
from anygate.dialects.apisix.plugins.ai_prompt_template import AiPromptTemplate
from anygate.dialects.apisix.plugins.ai_proxy import AiProxy
from anygate.dialects.apisix.plugins.ai_proxy_multi import AiProxyMulti
from anygate.dialects.apisix.plugins.ai_rate_limiting import AiRateLimiting
from anygate.dialects.apisix.plugins.api_breaker import ApiBreaker
from anygate.dialects.apisix.plugins.basic_auth import BasicAuth
from anygate.dialects.apisix.plugins.client_control import ClientControl
from anygate.dialects.apisix.plugins.consumer_restriction import ConsumerRestriction
from anygate.dialects.apisix.plugins.cors import Cors
from anygate.dialects.apisix.plugins.csrf import Csrf
from anygate.dialects.apisix.plugins.echo import Echo
from anygate.dialects.apisix.plugins.fault_injection import FaultInjection
from anygate.dialects.apisix.plugins.forward_auth import ForwardAuthPlugin
from anygate.dialects.apisix.plugins.gzip import Gzip
from anygate.dialects.apisix.plugins.hmac_auth import HmacAuth
from anygate.dialects.apisix.plugins.ip_restriction import IpRestriction
from anygate.dialects.apisix.plugins.jwt_auth import JwtAuth
from anygate.dialects.apisix.plugins.key_auth import KeyAuth
from anygate.dialects.apisix.plugins.ldap_auth import LdapAuth
from anygate.dialects.apisix.plugins.limit_conn import LimitConn
from anygate.dialects.apisix.plugins.limit_count import LimitCount
from anygate.dialects.apisix.plugins.limit_req import LimitReq
from anygate.dialects.apisix.plugins.openid_connect import OpenIdConnect
from anygate.dialects.apisix.plugins.opentelemetry import Opentelemetry
from anygate.dialects.apisix.plugins.plugin import Plugin
from anygate.dialects.apisix.plugins.prometheus import Prometheus
from anygate.dialects.apisix.plugins.proxy_cache import ProxyCache
from anygate.dialects.apisix.plugins.proxy_mirror import ProxyMirror
from anygate.dialects.apisix.plugins.proxy_rewrite import ProxyRewrite
from anygate.dialects.apisix.plugins.redirect import RedirectPlugin
from anygate.dialects.apisix.plugins.request_id import RequestIdPlugin
from anygate.dialects.apisix.plugins.response_rewrite import ResponseRewrite
from anygate.dialects.apisix.plugins.traffic_split import TrafficSplit
from anygate.dialects.apisix.plugins.wolf_rbac import WolfRbac

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
