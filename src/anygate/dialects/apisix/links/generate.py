"""A stack file to the texts of all files that it stands for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from anygate.diagnostics import Report, SourceFile
from anygate.dialects.apisix.links.ai_gateways import AiGateway, build_ai_gateways
from anygate.dialects.apisix.links.context import build_context
from anygate.dialects.apisix.links.direct import Instance, build_direct
from anygate.dialects.apisix.links.front import Consumer, Front, ObjectWriter, Written
from anygate.dialects.apisix.links.gateways import build_gateways
from anygate.dialects.apisix.links.link_types import AI_EXTERNAL_FILE, AI_FILE, GATEWAY_FILE, name_file
from anygate.dialects.apisix.links.overlay import render_helm, render_kustomization
from anygate.dialects.apisix.links.read import read_stack
from anygate.dialects.apisix.links.stack import Options, Stack
from anygate.dialects.apisix.links.streams import check_stream_ports, write_stream_routes, write_stream_upstream
from anygate.dialects.apisix.links.uniqueness import check_consumers, check_fronts, check_objects
from anygate.dialects.apisix.links.yaml_text import render_yaml
from anygate.dialects.apisix.stack_files import MARKER

_HEAD = f"{MARKER}: do not edit, the next run writes it again\n"
KUSTOMIZATION = "kustomization.yaml"


@dataclass(frozen=True, slots=True)
class Generated:
    """The files of a stack: those of the folder of routes by name, and the Helm overlay; and the objects in them.

    `context` are the variables that they were made of, without secrets.
    """

    routes: Mapping[str, str]
    helm: str
    context: Mapping[str, Any]
    objects: tuple[Written, ...] = field(compare=False)


@dataclass(slots=True)
class _Parts:
    """Everything that was built, by what is checked in it."""

    fronts: list[Front] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    files: dict[str, list[Written]] = field(default_factory=lambda: defaultdict(list))


def generate(
    source: SourceFile,
    report: Report,
    options: Options | None = None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Generated | None:
    """Generate every file; None when anything in the stack is wrong.

    Pure: the same text, options and environment give the same bytes. The environment is what `{env: NAME}` refers to.
    """
    options = options or Options()
    stack = read_stack(source, environment, report)
    if stack is None:
        return None
    instances = build_direct(stack, options)
    parts = _Parts()
    writer = ObjectWriter(stack, options)
    _write_direct(instances, parts, writer, options)
    _write_gateways(stack, parts, writer)
    _write_ai(build_ai_gateways(stack, options), parts, writer)
    check_stream_ports(instances, stack.apisix.reserved_ports)
    check_fronts(parts.fronts, stack)
    check_consumers(parts.consumers)
    # What is wrong for another reason often means the same object twice.
    if not report.has_errors:
        check_objects(one for objects in parts.files.values() for one in objects)
    if report.has_errors:
        return None
    return _render(stack, instances, parts)


def _write_direct(instances: Sequence[Instance], parts: _Parts, writer: ObjectWriter, options: Options) -> None:
    for instance in instances:
        file = parts.files[name_file(instance.link.component.type, options.layout)]
        if instance.consumer is not None:
            file.append(writer.write_consumer(instance.consumer))
            parts.consumers.append(instance.consumer)
        file.extend(map(writer.write_upstream, instance.fronts))
        if instance.streams:
            file.extend(write_stream_upstream(instance, writer, options))
        file.extend(map(writer.write_route, instance.fronts))
        file.extend(write_stream_routes(instance, writer))
        for front in instance.fronts:
            file.extend(writer.write_tls(front))
        parts.fronts.extend(instance.fronts)


def _write_gateways(stack: Stack, parts: _Parts, writer: ObjectWriter) -> None:
    for consumer, front in build_gateways(stack):
        _write_fronts(parts, GATEWAY_FILE, consumer, (front,), writer)


def _write_ai(gateways: Iterable[AiGateway], parts: _Parts, writer: ObjectWriter) -> None:
    for gateway in gateways:
        # A consumer is one object: it stands where the gateway's first routes do.
        consumer = gateway.consumer
        if gateway.internal:
            _write_fronts(parts, AI_FILE, consumer, gateway.internal, writer)
            consumer = None
        if gateway.external:
            _write_fronts(parts, AI_EXTERNAL_FILE, consumer, gateway.external, writer)


def _write_fronts(
    parts: _Parts, name: str, consumer: Consumer | None, fronts: Sequence[Front], writer: ObjectWriter
) -> None:
    file = parts.files[name]
    if consumer is not None:
        file.append(writer.write_consumer(consumer))
        parts.consumers.append(consumer)
    for front in fronts:
        file.extend((writer.write_upstream(front), writer.write_route(front), *writer.write_tls(front)))
    parts.fronts.extend(fronts)


def _render(stack: Stack, instances: Sequence[Instance], parts: _Parts) -> Generated:
    written = {name: objects for name, objects in sorted(parts.files.items()) if objects}
    routes = {
        name: _HEAD + "---\n".join(render_yaml(one.value) for one in objects) for name, objects in written.items()
    }
    routes[KUSTOMIZATION] = _HEAD + render_kustomization(list(routes))
    streams = [port for instance in instances for port in instance.streams]
    helm = _HEAD + render_helm(stack.apisix.external_traffic, streams)
    objects = tuple(one for found in written.values() for one in found)
    return Generated(MappingProxyType(routes), helm, build_context(stack, instances), objects)
