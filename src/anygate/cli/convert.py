"""`anygate convert`: manifests of any dialect as those of the Gateway API, or as a configuration of Envoy alone."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from cyclopts import Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anygate.compiler import Result
    from anygate.diagnostics import Diagnostic, SourceFile


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
    output: Annotated[str, Parameter(name=("--output", "-o"))] = "",
    report: str = "",
    exact: Annotated[bool, Parameter(show_default=False)] = False,
    allow_lossy: Annotated[bool, Parameter(show_default=False)] = False,
    strict: Annotated[bool, Parameter(show_default=False)] = False,
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
    from anygate.cli.conversion_files import check_apart, check_files, write_files, write_report
    from anygate.cli.output import print_diagnostics, say
    from anygate.cli.settings_source import make_settings
    from anygate.compiler import compile_sources
    from anygate.diagnostics import Report, Severity
    from anygate.errors import UsageError
    from anygate.loading import load_manifests

    if not path:
        raise UsageError("name a file or folder to convert, or - for standard input")
    folder = Path(output) if output else None
    if folder is not None:
        check_apart(folder, path)
    found = Report()
    sources = load_manifests(path, found, stdin=sys.stdin.buffer)
    result = compile_sources((*sources, *make_settings(strict=strict)))
    found.extend([one for one in result.diagnostics if one.severity is Severity.ERROR])
    made = _to_envoy(result) if to == "envoy" else _to_gateway_api(result, sources, gateway_class, exact=exact)
    found.extend(made.losses)
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


def _to_gateway_api(result: "Result", sources: "Sequence[SourceFile]", gateway_class: str, *, exact: bool) -> Converted:
    from anygate.compiler import origin_span
    from anygate.diagnostics import Diagnostic, ObjectRef
    from anygate.dialects.envoy_ai.write.routes import AiRoutes
    from anygate.dialects.gateway_api.write import Options, render_files, render_report, render_stream, write_model

    written = write_model(result.model, Options(gateway_class, exact), AiRoutes())
    losses = [
        Diagnostic(
            one.rule.id,
            one.rule.severity,
            one.message,
            origin_span(one.origin, sources),
            object=ObjectRef("", one.origin.kind, one.origin.namespace, one.origin.name),
            hint=one.hint,
        )
        for one in written.losses
    ]
    lines = [
        f"{loss} (of {one.origin.object} {one.origin.path})" for loss, one in zip(losses, written.losses, strict=True)
    ]
    behind = _left_behind(sources)
    lines += [f"{one} (of {one.object})" for one in behind]
    report = render_report(written, lines)
    return Converted(render_files(written), render_stream(written), [*losses, *behind], report, {})


def _left_behind(sources: "Sequence[SourceFile]") -> "list[Diagnostic]":
    """What of a mesh is about more than its gateways."""
    from anygate.diagnostics import Report
    from anygate.dialects.app_mesh.left_behind import LEFT_BEHIND, find_left_behind
    from anygate.manifests import parse_sources

    found = Report()
    for manifest, path, text in find_left_behind(parse_sources(tuple(sources), Report())):
        found.add(LEFT_BEHIND, text, manifest.span(path), path=path, object=manifest.ref)
    return list(found.diagnostics)


def _to_envoy(result: "Result") -> Converted:
    from anygate.envoy.static import render_static

    made = render_static(result.snapshot)
    return Converted({made.main: made.text}, made.text, (), made.report, made.secrets)
