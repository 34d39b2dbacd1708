"""The variables of a stack, under the names that templates of the original generator know; secrets are redacted."""

from collections.abc import Iterable
from typing import Any

from anygate.dialects.apisix.links.direct import Instance
from anygate.dialects.apisix.links.front import Front
from anygate.dialects.apisix.links.link_types import AI_EXTERNAL, GATEWAY_LINK
from anygate.dialects.apisix.links.secrets import Credential, is_secret_name
from anygate.dialects.apisix.links.stack import AiLink, Attributes, Gateway, GatewayLink, Stack

_REDACTED = "<redacted>"


def build_context(stack: Stack, instances: Iterable[Instance]) -> dict[str, Any]:
    """Every variable as plain values, in an order that never changes."""
    found = list(instances)
    return {
        "__ingress": [_describe_front(one, front) for one in found for front in one.fronts],
        "__gateway": [_describe_gateway(one, stack.domain) for one in sorted(stack.gateways, key=_name_of)],
        "__gateway_link": [_describe_gateway_link(one) for one in sorted(stack.gateway_links, key=_place_of_link)],
        "__ai_gateway": [_describe_gateway(one, stack.domain) for one in sorted(stack.ai_gateways, key=_name_of)],
        "__ai_gateway_link": [_describe_ai_link(one) for one in sorted(stack.ai_links, key=_place_of_ai_link)],
        "__stream": [
            {
                "component": one.link.component.name,
                "namespace": one.link.component.namespace,
                "port": port.name,
                "protocol": port.protocol,
                "ingress_port": port.number,
            }
            for one in found
            for port in one.streams
        ],
    }


def _describe_front(instance: Instance, front: Front) -> dict[str, Any]:
    component, node = instance.link.component, front.nodes[0]
    return {
        "link_type": instance.link.type,
        "component": component.name,
        "namespace": component.namespace,
        "service": node.host.split(".")[0],
        "port": node.port,
        "scheme": front.scheme,
        "subdomain": instance.link.attributes.subdomain,
        "host": front.hosts[0],
        **_describe_attributes(instance.link.attributes),
    }


def _describe_gateway(gateway: Gateway, domain: str) -> dict[str, Any]:
    subdomain = gateway.attributes.subdomain
    return {
        "name": gateway.name,
        "subdomain": subdomain,
        "host": f"{subdomain}.{domain}" if subdomain else "",
        **_describe_attributes(gateway.attributes),
    }


def _describe_gateway_link(link: GatewayLink) -> dict[str, Any]:
    return {
        "gateway": link.gateway.name,
        "link_type": GATEWAY_LINK,
        "component": link.component.name,
        "namespace": link.component.namespace,
        "port": link.port,
        "weight": link.weight,
    }


def _describe_ai_link(link: AiLink) -> dict[str, Any]:
    return {
        "ai_gateway": link.gateway.name,
        "link_type": link.type,
        "component": link.component.name if link.component is not None else link.to,
        "model": link.model,
        "namespace": link.component.namespace if link.component is not None else "",
        "subdomain": link.subdomain,
        "path": link.path,
        "weight": link.weight,
        "endpoint": f"{link.endpoint}:{link.port}" if link.endpoint else "",
        "provider": link.provider if link.type == AI_EXTERNAL else "",
    }


def _describe_attributes(attributes: Attributes) -> dict[str, Any]:
    found = {
        "api_key": _describe_credential(attributes.api_key),
        "cors": attributes.cors,
        "rate_limiting": attributes.rate_limit,
        "oidc": attributes.oidc,
        "oidc_secret": attributes.oidc_secret,
        "whitelist": list(attributes.whitelist),
        "proxy_rewrite": attributes.rewrite,
        "websocket": attributes.websocket,
        "timeout": attributes.timeout,
        "additional_domain": [extra.host for extra in attributes.extra_hosts],
        "max_body_size": attributes.max_body_size,
        "route_all": attributes.route_all,
        "https_redirect": attributes.https_redirect,
        "paths": list(attributes.paths),
        "extra_plugins": list(attributes.extra_plugins),
    }
    return {key: _redact(value) for key, value in found.items()}


def _describe_credential(credential: Credential | None) -> Any:
    if credential is None:
        return None
    return f"secret {credential.secret}" if credential.secret else _REDACTED


def _redact(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _REDACTED if is_secret_name(key) and not isinstance(one, dict) else _redact(one)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_redact(one) for one in value]
    return value


def _name_of(gateway: Gateway) -> str:
    return gateway.name


def _place_of_link(link: GatewayLink) -> tuple[str, str, int]:
    return link.gateway.name, link.component.name, link.port


def _place_of_ai_link(link: AiLink) -> tuple[str, str, str, str, str]:
    return link.gateway.name, link.subdomain, link.path, link.type, link.to
