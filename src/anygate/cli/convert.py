"""`anygate convert`: manifests of any dialect as those of the Gateway API, or as a configuration of Envoy alone."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from anygate.cli.option_types import Flag, Output

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anygate.cli.compiled import Compiled
    from anygate.diagnostics import Diagnostic, Rule, SourceFile
    from anygate.model import Origin


class Converted(NamedTuple):
    """What a conversion made: files by name, the same as one stream, what was lost, and the text of the report.

    Files to be filled `by_hand` come beside them.
    """

    files: "Mapping[str, str]"
    stream: str
    losses: "Sequence[Diagnostic]"
    report: str
    by_hand: "Mapping[str, str]"


def convert(
    *path: str,
    to: Literal["gateway-api", "envoy"],
    output: Output = "",
    report: str = "",
    exact: Flag = False,
    allow_lossy: Flag = False,
    strict: Flag = False,
    gateway_class: str = "envoy",
) -> int:
    """Convert manifests, and say at which of their lines something is lost.

    Exits with 1, and writes nothing, when the manifests have errors or when what is lost would change where requests
    go or whom they are refused to. `anygate diff OLD NEW` then says what differs between both.

    Parameters
    ----------
    path
        Files, folders or - for standard input.
    to
        What is written: gateway-api (with the kinds of Envoy Gateway and Envoy AI Gateway), or envoy (without xDS).
    output
        Folder of the files; without it everything is printed as one stream.
    report
        File for what became of what, what was lost and what is left to do; - prints it to standard error.
    exact
        Keeps prefixes that end in the middle of a path element, as regular expressions.
    allow_lossy
        Writes in spite of errors and of losses that change behaviour.
    strict
        App Mesh: manifests are refused where its controller refused them.
    gateway_class
        The class of the Gateways that are written.
    """
    from anygate.cli.compiled import compile_paths
    from anygate.cli.conversion_files import check_apart, check_files, write_files, write_report
    from anygate.cli.output import print_diagnostics, say
    from anygate.diagnostics import Report
    from anygate.errors import UsageError

    if not path:
        raise UsageError("name a file or folder to convert, or - for standard input")
    folder = Path(output) if output else None
    if folder is not None:
        check_apart(folder, path)
    compiled = compile_paths(path, strict=strict)
    made = _to_envoy(compiled) if to == "envoy" else _to_gateway_api(compiled, gateway_class, exact=exact)
    found = Report()
    found.extend([*compiled.errors, *made.losses])
    print_diagnostics(found.diagnostics)
    if report == "-":
        say(made.report)
    if found.has_errors and not allow_lossy:
        say("nothing was written\nhint: --allow-lossy writes in spite of errors")
        return 1
    told = Path(report) if report not in ("", "-") else None
    check_files(folder, made.files, told)
    if told is not None:
        write_report(told, made.report)
    if folder is None:
        sys.stdout.write(made.stream)
        return 0
    write_files(folder, made.files, made.by_hand)
    if not report:
        say("hint: --report FILE (or -) says what became of what, what is left to do, and in which order to apply it")
    return 0


def _to_gateway_api(compiled: "Compiled", gateway_class: str, *, exact: bool) -> Converted:
    from dataclasses import replace

    from anygate.dialects.envoy_ai.write.routes import AiRoutes
    from anygate.dialects.gateway_api.write import Options, render_files, render_report, render_stream, write_model

    written = write_model(compiled.result.model, Options(gateway_class, exact), AiRoutes())
    losses = [_tell(one.rule, one.message, one.origin, compiled, one.hint) for one in written.losses]
    lines = [
        f"{replace(loss, object=None)} (of {one.origin.object} {one.origin.path})"
        for loss, one in zip(losses, written.losses, strict=True)
    ]
    behind = _left_behind(compiled.sources)
    lines += [f"{one} (of {one.object})" for one in behind]
    report = render_report(written, lines)
    return Converted(render_files(written), render_stream(written), [*losses, *behind], report, {})


def _tell(rule: "Rule", message: str, origin: "Origin", compiled: "Compiled", hint: str = "") -> "Diagnostic":
    """What is said of a place that something in the model comes from."""
    from anygate.compiler import origin_span
    from anygate.diagnostics import Diagnostic, ObjectRef

    owner = ObjectRef("", origin.kind, origin.namespace, origin.name)
    span = origin_span(origin, compiled.sources)
    return Diagnostic(rule.id, rule.severity, message, span, object=owner, hint=hint)


def _left_behind(sources: "Sequence[SourceFile]") -> "list[Diagnostic]":
    """What of a mesh is about more than its gateways."""
    from anygate.diagnostics import Report
    from anygate.dialects.app_mesh.left_behind import LEFT_BEHIND, find_left_behind
    from anygate.manifests import parse_sources

    found = Report()
    for manifest, path, text in find_left_behind(parse_sources(tuple(sources), Report())):
        found.add(LEFT_BEHIND, text, manifest.span(path), path=path, object=manifest.ref)
    return list(found.diagnostics)


def _to_envoy(compiled: "Compiled") -> Converted:
    from anygate.envoy.static import render_static
    from anygate.envoy.untold import UNTOLD, find_untold

    made = render_static(compiled.result.snapshot)
    losses = [_tell(UNTOLD, text, origin, compiled) for origin, text in find_untold(compiled.result.model)]
    return Converted({made.main: made.text}, made.text, losses, made.report, made.secrets)
