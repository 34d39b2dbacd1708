"""The plugins that hold for a rule, gathered from all the places that may name them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Context, Fault
from anygate.dialects.apisix.findings import GLOBAL_TWICE, NOT_FOUND, NOT_HONOURED, UNKNOWN_TYPE
from anygate.dialects.apisix.kinds.apisixclusterconfig import ApisixClusterConfig
from anygate.dialects.apisix.kinds.apisixroute import ApisixRoute, HttpRule
from anygate.dialects.apisix.kinds.authentication import Authentication
from anygate.dialects.apisix.kinds.plugins import ApisixGlobalRule, ApisixPluginConfig
from anygate.dialects.apisix.kinds.plugins import Plugin as Written
from anygate.manifests.kind import Kind

_AUTHENTICATIONS = {
    "keyAuth": ("key-auth", "key_auth"),
    "basicAuth": ("basic-auth", ""),
    "jwtAuth": ("jwt-auth", "jwt_auth"),
    "hmacAuth": ("hmac-auth", ""),
    "ldapAuth": ("ldap-auth", "ldap_auth"),
    "wolfRBAC": ("wolf-rbac", ""),
}


@dataclass(frozen=True)
class Entry:
    """One plugin with its configuration, the object that it is written in, and where it stands there.

    `secret` names a Secret of the object's namespace whose keys overrule the configuration.
    """

    name: str
    owner: Kind
    path: FieldPath
    config_path: FieldPath
    config: dict[str, Any] = field(default_factory=dict)
    secret: str = ""


def list_entries(context: Context, route: ApisixRoute, rule: HttpRule, path: FieldPath) -> list[Entry] | Fault:
    """The plugins of a rule. Of those with one name the last one counts as a whole: the ApisixPluginConfig comes
    before `plugins`, and `authentication` after it."""
    found: dict[str, Entry] = {}
    if rule.plugin_config_name is not None:
        namespace = rule.plugin_config_namespace or route.namespace
        shared = context.find(ApisixPluginConfig, namespace, rule.plugin_config_name)
        if shared is None:
            text = f"there is no ApisixPluginConfig {namespace}/{rule.plugin_config_name}"
            return Fault(NOT_FOUND, text, (*path, "plugin_config_name"))
        found.update(_by_name(shared, ("spec", "plugins"), shared.spec.plugins))
    found.update(_by_name(route, (*path, "plugins"), rule.plugins))
    if rule.authentication is not None and rule.authentication.enable:
        entry = _read_authentication(context, route, rule.authentication, (*path, "authentication"))
        found[entry.name] = entry
    return list(found.values())


def list_global_entries(context: Context) -> list[Entry]:
    """The plugins that hold for every request; of two with one name the first counts."""
    found: dict[str, Entry] = {}
    for rule in context.all(ApisixGlobalRule):
        for name, entry in _by_name(rule, ("spec", "plugins"), rule.spec.plugins):
            if name in found:
                text = f"{found[name].owner.ref} has {name} too, and holds"
                context.note(GLOBAL_TWICE, text, rule, entry.path)
            found.setdefault(name, entry)
    for item in context.all(ApisixClusterConfig):
        _read_monitoring(context, item, found)
    return list(found.values())


def list_written(item: Kind, path: FieldPath, plugins: Iterable[Written]) -> list[Entry]:
    """The plugins of one list that are not switched off."""
    return [entry for _, entry in _by_name(item, path, plugins)]


def _by_name(item: Kind, path: FieldPath, plugins: Iterable[Written]) -> Iterator[tuple[str, Entry]]:
    for index, plugin in enumerate(plugins):
        if plugin.enable:
            place = (*path, index)
            secret = plugin.secret_ref or ""
            yield plugin.name, Entry(plugin.name, item, place, (*place, "config"), plugin.config, secret)


def _read_authentication(context: Context, route: Kind, written: Authentication, path: FieldPath) -> Entry:
    if written.type not in _AUTHENTICATIONS:
        text = f"there is no authentication {written.type}; the controller takes it for basicAuth"
        context.note(UNKNOWN_TYPE, text, route, (*path, "type"))
    name, field_name = _AUTHENTICATIONS.get(written.type, ("basic-auth", ""))
    settings = getattr(written, field_name) if field_name else None
    config = settings.model_dump(by_alias=True, exclude_none=True) if settings is not None else {}
    return Entry(name, route, path, (*path, written.type), config)


def _read_monitoring(context: Context, item: ApisixClusterConfig, found: dict[str, Entry]) -> None:
    if item.spec.admin is not None:
        context.note(NOT_HONOURED, "there is no Admin API to call", item, ("spec", "admin"))
    monitoring = item.spec.monitoring
    if monitoring is None:
        return
    path: FieldPath = ("spec", "monitoring")
    if monitoring.skywalking is not None and monitoring.skywalking.enable:
        context.note(NOT_HONOURED, "nothing is sent to SkyWalking", item, (*path, "skywalking"))
    if monitoring.prometheus is not None and monitoring.prometheus.enable:
        place = (*path, "prometheus")
        config = {"prefer_name": monitoring.prometheus.prefer_name}
        found.setdefault("prometheus", Entry("prometheus", item, place, place, config))
