"""ApisixConsumers: who may call, and how that is proved."""

from typing import Any

from pydantic import ValidationError

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.certificates import find_secret
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import CONSUMER_PLUGIN, PLUGIN_CONFIG
from anygate.dialects.apisix.kinds import apisixconsumer as kinds
from anygate.dialects.apisix.plugins.consumer_limits import LIMITS
from anygate.dialects.apisix.plugins.entries import Entry, list_written
from anygate.dialects.apisix.plugins.overlay import overlay
from anygate.dialects.apisix.plugins.plugin import Consumer
from anygate.dialects.apisix.plugins.table import PLUGINS
from anygate.manifests.faults import report_faults
from anygate.manifests.kind import Node

_CREDENTIALS: dict[str, tuple[str, type[Node]]] = {
    "key-auth": ("keyAuth", kinds.KeyValue),
    "basic-auth": ("basicAuth", kinds.BasicValue),
    "jwt-auth": ("jwtAuth", kinds.JwtValue),
    "wolf-rbac": ("wolfRBAC", kinds.WolfValue),
    "hmac-auth": ("hmacAuth", kinds.HmacValue),
    "ldap-auth": ("ldapAuth", kinds.LdapValue),
}
"""What a credential is called as a parameter, and its shape, by the plugin that checks it."""


def read_consumers(context: Context) -> tuple[Consumer, ...]:
    """Every consumer whose credential can be had."""
    found = []
    for item in [*context.all(kinds.ApisixConsumer)]:
        made = _read_consumer(context, item)
        if isinstance(made, Fault):
            context.refuse(item, made)
        else:
            found.append(made)
    return tuple(found)


def _read_consumer(context: Context, item: kinds.ApisixConsumer) -> Consumer | Fault:
    entries = list_written(item, ("spec", "plugins"), item.spec.plugins)
    fault = _check_plugins(context, entries)
    if fault is not None:
        return fault
    kind, entry = _find_credential(item, entries)
    shape = next(shape for name, shape in _CREDENTIALS.values() if name == kind)
    credential = _read_credential(context, entry, shape)
    if isinstance(credential, Fault):
        return credential
    name = f"{item.namespace}_{item.name}"
    limits = tuple(one for one in entries if one.name in LIMITS)
    return Consumer(name, (name, name.replace("-", "_")), kind, credential, origin(item, entry.path), limits)


def _check_plugins(context: Context, entries: list[Entry]) -> Fault | None:
    """Say which plugins do not run; a consumer that one of them would have kept out is not let in at all."""
    for entry in entries:
        if entry.name in _CREDENTIALS or entry.name in LIMITS:
            continue
        plugin = PLUGINS.get(entry.name)
        text = f"{entry.name} does not run for a consumer by itself"
        if plugin is None or plugin.is_guard:
            return Fault(CONSUMER_PLUGIN, f"{text}, so the consumer is not let in", entry.path, "put it on the routes")
        context.note(CONSUMER_PLUGIN, f"{text}, so it is left out", entry.owner, entry.path, "put it on the routes")
    return None


def _find_credential(item: kinds.ApisixConsumer, entries: list[Entry]) -> tuple[str, Entry]:
    """The first credential, and its values as if they were those of a plugin."""
    parameters = item.spec.auth_parameter
    for name, field in type(parameters).model_fields.items() if parameters is not None else ():
        parameter: Any = getattr(parameters, name)
        if parameter is None:
            continue
        kind = field.alias or name
        path: FieldPath = ("spec", "authParameter", kind)
        if parameter.secret_ref is not None:
            place = (*path, "secretRef")
            return kind, Entry(name, item, path, place, secret=parameter.secret_ref.name)
        written = item.manifest.value["spec"]["authParameter"][kind]["value"]
        return kind, Entry(name, item, path, (*path, "value"), written)
    entry = next(one for one in entries if one.name in _CREDENTIALS)
    return _CREDENTIALS[entry.name][0], entry


def _read_credential(context: Context, entry: Entry, shape: type[Node]) -> Node | Fault:
    config = entry.config
    if entry.secret:
        secret = find_secret(context, entry.owner.namespace, entry.secret, entry.config_path)
        if isinstance(secret, Fault):
            return secret
        config, _ = overlay(config, secret)
    try:
        return shape.model_validate(config)
    except ValidationError as error:
        if entry.secret:
            fields = ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]}))
            text = f"the Secret {entry.secret} does not hold the credential: {fields or 'a field'} is missing or wrong"
            return Fault(PLUGIN_CONFIG, text, entry.config_path)
        faults = error.errors(include_url=False)
    report_faults(entry.owner.manifest, shape, faults, context.report, entry.config_path)
    return Fault(PLUGIN_CONFIG, "the credential is not valid", entry.config_path)
