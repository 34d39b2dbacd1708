"""The components of a stack."""

from collections.abc import Iterator

from anygate.diagnostics import Related
from anygate.dialects.apisix.links.entry import Entry
from anygate.dialects.apisix.links.link_types import MULTI_PORT, TARGETS
from anygate.dialects.apisix.links.names import is_host, read_name, read_object_name
from anygate.dialects.apisix.links.ports import read_ports
from anygate.dialects.apisix.links.rules.attributes import HOST
from anygate.dialects.apisix.links.rules.linking import COMPONENT_TYPE
from anygate.dialects.apisix.links.rules.shape import DUPLICATE_NAME, MISSING_FIELD
from anygate.dialects.apisix.links.stack import Component, Port
from anygate.manifests.names import suggest_word

_FIELDS = ("name", "type", "namespace", "service", "port", "scheme", "cluster_domain", "stream_ports")
_OWN_FIELDS = {
    MULTI_PORT: ("ports", "infer_scheme"),
    "bridge": ("kafka",),
    "keycloak": ("tag",),
    "prometheus": ("alertmanager",),
    "vllm": ("models",),
}
_SCHEMES = ("http", "https", "grpc", "grpcs")


def read_components(stack: Entry, namespace: str) -> tuple[Component, ...]:
    """Every component that has a name, also one with mistakes, so that links to it are not mistakes too."""
    found = stack.get("components")
    items = found.sequence() if found is not None else None
    if items is None:
        return ()
    components: dict[str, Component] = {}
    for item in items.items():
        component = _read_component(item, namespace)
        if component is None:
            continue
        first = components.setdefault(component.name, component)
        if first is not component:
            refuse_duplicate(item, component.name, "component", first.entry)
    return tuple(components.values())


def refuse_duplicate(entry: Entry, name: str, what: str, first: Entry) -> None:
    """Report the second of two things with one name."""
    place, other = entry.get("name") or entry, first.get("name") or first
    related = [Related("first named here", other.span)]
    place.refuse(DUPLICATE_NAME, f'the {what} "{name}" is there twice', hint="rename one of them", related=related)


def _read_component(item: Entry, namespace: str) -> Component | None:
    entry = item.mapping()
    if entry is None:
        return None
    name, component_type = entry.require("name"), _read_type(entry)
    if component_type:
        entry.check_keys((*_FIELDS, *_OWN_FIELDS.get(component_type, ())))
    if name is None:
        return None
    # A component with a wrong name is still what links mean when they use that name.
    label = read_name(name) or str(name.value)
    own = set(_OWN_FIELDS.get(component_type, ()))
    ports, is_sound = _read_port_list(entry, "ports") if "ports" in own else ((), True)
    streams, are_sound = _read_port_list(entry, "stream_ports")
    kafka = _read_text(entry, "kafka") if "kafka" in own else ""
    return Component(
        name=label,
        type=component_type,
        namespace=_read_text(entry, "namespace") or namespace,
        cluster_domain=_read_cluster_domain(entry),
        service=_read_text(entry, "service"),
        port=_read_port(entry),
        scheme=_read_scheme(entry),
        tag=_read_tag(entry) if "tag" in own else "",
        kafka=kafka or label.removesuffix("-bridge"),
        alertmanager=_read_flag(entry, "alertmanager") if "alertmanager" in own else True,
        infer_scheme=_read_flag(entry, "infer_scheme") if "infer_scheme" in own else True,
        ports=ports,
        stream_ports=streams,
        models=tuple(_read_models(entry)) if "models" in own else (),
        entry=entry,
        is_sound=is_sound and are_sound,
    )


def _read_type(entry: Entry) -> str:
    found = entry.require("type")
    text = found.text() if found is not None else None
    if found is None or text is None or text in TARGETS:
        return text or ""
    hint = suggest_word(text.replace("-", "_"), TARGETS) or f"known types: {', '.join(sorted(TARGETS))}"
    found.refuse(COMPONENT_TYPE, f'"{text[:60]}" is not a type of component', hint=hint)
    return ""


def _read_text(entry: Entry, key: str) -> str:
    found = entry.get(key)
    if found is None:
        return ""
    return (read_name(found) if key != "service" else read_object_name(found)) or ""


def _read_tag(entry: Entry) -> str:
    found = entry.get("tag")
    return str(found.value) if found is not None else ""


def _read_flag(entry: Entry, key: str) -> bool:
    found = entry.get(key)
    return found is None or found.flag() is not False


def _read_port(entry: Entry) -> int | None:
    found = entry.get("port")
    return found.number(1, 65535) if found is not None else None


def _read_scheme(entry: Entry) -> str:
    found = entry.get("scheme")
    return (found.choice(_SCHEMES) or "") if found is not None else ""


def _read_cluster_domain(entry: Entry) -> str:
    found = entry.get("cluster_domain")
    text = found.text() if found is not None else None
    if found is not None and text is not None and not is_host(text):
        found.refuse(HOST, f'"{text[:80]}" is not a DNS name', hint="such as cluster.local")
    return text or "cluster.local"


def _read_port_list(entry: Entry, key: str) -> tuple[tuple[Port, ...], bool]:
    found = entry.get(key)
    return read_ports(found, streams_only=key == "stream_ports") if found is not None else ((), True)


def _read_models(entry: Entry) -> Iterator[str]:
    found = entry.get("models")
    items = found.sequence() if found is not None else None
    seen: dict[str, Entry] = {}
    for item in items.items() if items is not None else ():
        # A model may be written as its name alone.
        model = item.mapping() if not isinstance(item.value, str) else None
        if model is not None:
            model.check_keys(("name",))
        place = model.get("name") if model is not None else item if isinstance(item.value, str) else None
        if place is None:
            if model is not None:
                model.refuse(MISSING_FIELD, 'missing field "name"', hint='add "name: NAME"')
            continue
        name = read_name(place)
        if name is None:
            continue
        if name in seen:
            refuse_duplicate(model or item, name, "model", seen[name])
            continue
        seen[name] = model or item
        yield name
