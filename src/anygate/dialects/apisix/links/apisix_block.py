"""The block `apisix` of a stack: where objects live, what holds for every link, and the gateways."""

from collections.abc import Sequence

from anygate.dialects.apisix.links.attributes import COMMON, Setting, read_attributes, read_networks
from anygate.dialects.apisix.links.components import refuse_duplicate
from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.limits import read_limit_fields
from anygate.dialects.apisix.links.names import read_name, read_object_name
from anygate.dialects.apisix.links.rules.shape import WRONG_TYPE
from anygate.dialects.apisix.links.stack import Apisix, Gateway, TlsSecret

_FIELDS = (
    "name",
    "namespace",
    "ingress_class",
    "external_traffic",
    "tls_secret",
    "rate_limit",
    "default_whitelist",
    "oidc",
    "reserved_ports",
    "gateways",
    "ai_gateways",
)
_DEFAULTS = Apisix()


def read_apisix(stack: Entry) -> Apisix:
    """Everything but the gateways, whose attributes need the rest of it."""
    found = stack.get("apisix")
    entry = found.mapping() if found is not None else None
    if entry is None:
        return _DEFAULTS
    entry.check_keys(_FIELDS)
    oidc = entry.get("oidc")
    fields = oidc.mapping() if oidc is not None else None
    limit = entry.get("rate_limit")
    limits = limit.mapping() if limit is not None else None
    addresses = entry.get("default_whitelist")
    traffic = entry.get("external_traffic")
    return Apisix(
        name=_read_label(entry, "name") or _DEFAULTS.name,
        namespace=_read_label(entry, "namespace") or _DEFAULTS.namespace,
        ingress_class=_read_label(entry, "ingress_class") or _DEFAULTS.ingress_class,
        external_traffic=(traffic and traffic.choice(("Cluster", "Local"))) or _DEFAULTS.external_traffic,
        tls_secret=_read_tls_secret(entry),
        rate_limit=read_limit_fields(limits, ("count", "time_window", "rejected_code")) if limits else {},
        default_whitelist=tuple(read_networks(addresses)) if addresses else _DEFAULTS.default_whitelist,
        oidc=fields.value if fields is not None else {},
        reserved_ports=_read_reserved(entry),
    )


def read_gateways(stack: Entry, key: str, setting: Setting) -> tuple[Gateway, ...]:
    """The sub-components `gateways` or `ai_gateways`."""
    block = stack.get("apisix")
    found = block.get(key) if block is not None else None
    items = found.sequence() if found is not None else None
    if items is None:
        return ()
    # The paths of an AI gateway are those of its links.
    known = ("name", "api_key", *COMMON, *(("paths",) if key == "gateways" else ()))
    gateways: dict[str, Gateway] = {}
    for item in items.items():
        gateway = _read_gateway(item, known, setting, needs_subdomain=key == "gateways")
        if gateway is None:
            continue
        first = gateways.setdefault(gateway.name, gateway)
        if first is not gateway:
            refuse_duplicate(item, gateway.name, "gateway", first.attributes.entry)
    return tuple(gateways.values())


def _read_gateway(item: Entry, known: Sequence[str], setting: Setting, *, needs_subdomain: bool) -> Gateway | None:
    entry = item.mapping()
    if entry is None:
        return None
    entry.check_keys(known)
    name = entry.require("name")
    attributes = read_attributes(entry, setting, needs_subdomain=needs_subdomain)
    if name is None:
        return None
    return Gateway(read_name(name) or str(name.value), attributes)


def _read_label(entry: Entry, key: str) -> str | None:
    found = entry.get(key)
    return read_name(found) if found is not None else None


def _read_tls_secret(entry: Entry) -> TlsSecret | None:
    if "tls_secret" in entry.value and entry.value["tls_secret"] is None:
        return None
    found = entry.get("tls_secret")
    default = _DEFAULTS.tls_secret
    if found is None or default is None:
        return default
    fields = found.mapping()
    if fields is None:
        return default
    fields.check_keys(("name", "namespace"))
    name = fields.get("name")
    namespace = fields.get("namespace")
    return TlsSecret(
        (read_object_name(name) if name is not None else None) or default.name,
        (read_name(namespace) if namespace is not None else None) or default.namespace,
    )


def _read_reserved(entry: Entry) -> frozenset[int]:
    found = entry.get("reserved_ports")
    if found is None:
        return _DEFAULTS.reserved_ports
    if not isinstance(found.value, list):
        found.refuse(WRONG_TYPE, "expected a list of port numbers", hint="such as [80, 443, 9080]")
        return _DEFAULTS.reserved_ports
    return frozenset(number for item in found.items() if (number := item.number(1, 65535)) is not None)
