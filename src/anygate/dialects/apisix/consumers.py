"""ApisixConsumers: who may call, and how that is proved."""

from typing import Any

from pydantic import ValidationError

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.certificates import find_secret
from anygate.dialects.apisix.context import Context, Fault, origin
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.kinds import apisixconsumer as kinds
from anygate.dialects.apisix.plugins.consumer_limits import is_limit
from anygate.dialects.apisix.plugins.entries import Entry, list_written
from anygate.dialects.apisix.plugins.overlay import overlay
from anygate.dialects.apisix.plugins.plugin import Consumer
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
    """Every consumer whose credentials can be had, once for each of them."""
    found: list[Consumer] = []
    for item in [*context.all(kinds.ApisixConsumer)]:
        made = _read_consumer(context, item)
        if isinstance(made, Fault):
            context.refuse(item, made)
        else:
            found += made
    return tuple(found)


def _read_consumer(context: Context, item: kinds.ApisixConsumer) -> list[Consumer] | Fault:
    entries = list_written(item, ("spec", "plugins"), item.spec.plugins)
    name = f"{item.namespace}_{item.name}"
    plugins = tuple(entry for entry in entries if entry.name not in _CREDENTIALS)
    counted = all(map(is_limit, plugins))
    found = []
    for kind, entry in _list_credentials(item, entries).items():
        shape = next(shape for known, shape in _CREDENTIALS.values() if known == kind)
        credential = _read_credential(context, entry, shape)
        if isinstance(credential, Fault):
            return credential
        if isinstance(credential, kinds.HmacValue):
            _note_old_form(context, entry, credential)
        found.append(
            Consumer(
                id=name,
                names=(name, name.replace("-", "_")),
                kind=kind,
                credential=credential,
                origin=origin(item, entry.path),
                limits=plugins if counted else (),
                plugins=() if counted else plugins,
            )
        )
    return found


def _note_old_form(context: Context, entry: Entry, credential: kinds.HmacValue) -> None:
    """Say what of a key for signatures counted before APISIX 3.11 only, when consumers had what routes have now."""
    for name in sorted(credential.model_fields_set - {"key_id", "secret_key"}):
        text = "signatures of the form that APISIX had before 3.11 are not checked, so the consumer does not get in"
        hint = "write key_id in its place"
        if name != "access_key":
            text, hint = "since APISIX 3.11 it is the route that says how requests are signed", "put it on the routes"
        path = entry.config_path if entry.secret else (*entry.config_path, name)
        context.note(NOT_HONOURED, text, entry.owner, path, hint)


def _list_credentials(item: kinds.ApisixConsumer, entries: list[Entry]) -> dict[str, Entry]:
    """The credentials by kind, each with its values as if they were those of a plugin: the first parameter, and the
    plugins, which take the place of a parameter of their kind."""
    found: dict[str, Entry] = {}
    parameters = item.spec.auth_parameter
    for name, field in type(parameters).model_fields.items() if parameters is not None else ():
        parameter: Any = getattr(parameters, name)
        if parameter is None:
            continue
        kind = field.alias or name
        path: FieldPath = ("spec", "authParameter", kind)
        if parameter.secret_ref is not None:
            found[kind] = Entry(name, item, path, (*path, "secretRef"), secret=parameter.secret_ref.name)
        else:
            written = item.manifest.value["spec"]["authParameter"][kind]["value"]
            found[kind] = Entry(name, item, path, (*path, "value"), written)
        break
    found.update((_CREDENTIALS[entry.name][0], entry) for entry in entries if entry.name in _CREDENTIALS)
    return found


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
