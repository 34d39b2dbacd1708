"""`anygate links`: a stack file to the route files of APISIX."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from anygate.cli.option_types import Flag, Output

if TYPE_CHECKING:
    from anygate.diagnostics import Report, SourceFile
    from anygate.dialects.apisix.links import Generated
    from anygate.dialects.apisix.links.plan import Plan

HELM_FILE = "helm-values-apisix.yaml"


def links(
    stack: str = "",
    /,
    *,
    output: Output = "",
    helm: str = "",
    check: Flag = False,
    diff: Flag = False,
    strict: Flag = False,
    force: Flag = False,
    no_prune: Flag = False,
    layout: Literal["seed", "stacktic"] = "seed",
    controller: Literal["2.2", "2.x", "1.8"] = "2.2",
    ai_mode: Literal["upstream", "ai-proxy"] = "upstream",
    dump_context: str = "",
) -> int:
    """Write the route files of a stack, and delete those of links that it no longer has. Exits with 1 on mistakes.

    Parameters
    ----------
    stack
        The stack file, or - for standard input.
    output
        Folder of the route files, such as route/.
    helm
        File of the Helm overlay; helm/helm-values-apisix.yaml beside the folder of the routes by default.
    check
        Writes nothing and exits with 1 when the files are not up to date.
    diff
        Writes nothing and prints what would change.
    strict
        Warnings count as errors.
    force
        Overwrites files that were not written by this command.
    no_prune
        Deletes nothing.
    layout
        File names: seed, or stacktic as the original generator has them.
    controller
        Release of the APISIX ingress controller that reads the files.
    ai_mode
        How AI backends are expressed: upstream, or ai-proxy with APISIX's own AI plugins.
    dump_context
        File for the evaluated variables of the stack as JSON, without secrets; - prints them.
    """
    from anygate.diagnostics import Report, Severity
    from anygate.dialects.apisix.links import Options, generate
    from anygate.dialects.apisix.links.plan import make_plan
    from anygate.errors import UsageError

    if not stack:
        raise UsageError("name a stack file, or - for standard input\nhint: `anygate new stack NAME` prints one")
    if not output:
        raise UsageError("name the folder of the route files with -o, such as -o route/")
    report = Report()
    source = _load(stack, report)
    made = generate(source, report, Options(layout, controller, ai_mode), os.environ) if source is not None else None
    plan = None
    if made is not None:
        wanted, candidates = _place(made, Path(output), Path(helm) if helm else None)
        plan = make_plan(wanted, _read_existing(candidates), report, force=force, prune=not no_prune)
    if made is not None and dump_context:
        _dump(made, dump_context)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return _finish(plan, made, report, {one.severity for one in report.diagnostics} & failing != set(), check, diff)


def _dump(made: "Generated", name: str) -> None:
    import json

    from anygate.errors import EnvironmentProblem

    text = json.dumps(made.context, indent=2, ensure_ascii=False) + "\n"
    if name == "-":
        sys.stdout.write(text)
        return
    try:
        Path(name).write_text(text, encoding="utf-8")
    except OSError as problem:
        raise EnvironmentProblem(f"{name}: {_render_reason(problem)}") from None


def _finish(
    plan: "Plan | None", made: "Generated | None", report: "Report", is_wrong: bool, check: bool, diff: bool
) -> int:
    from anygate.cli.output import print_diagnostics, say

    print_diagnostics(report.diagnostics)
    if plan is None or made is None or is_wrong:
        say("nothing was written")
        return 1
    if diff:
        sys.stdout.write(plan.render_diff())
    if check and not plan.is_empty:
        for path in sorted((*plan.writes, *plan.deletions)):
            say(f"{path}: {_describe(plan, path)}")
        say("not up to date\nhint: run `anygate links` without --check")
        return 1
    if not check and not diff:
        _apply(plan)
    files = "file" if len(made.routes) == 1 else "files"
    if plan.is_empty:
        say(f"up to date: {len(made.objects)} objects in {len(made.routes)} {files}")
    return 0


def _describe(plan: "Plan", path: str) -> str:
    if path in plan.deletions:
        return "is to be deleted"
    return "differs" if path in plan.existing else "is missing"


def _load(name: str, report: "Report") -> "SourceFile | None":
    from anygate.errors import UsageError
    from anygate.manifests import load_sources

    if name != "-" and Path(name).is_dir():
        raise UsageError(f"{name} is a folder\nhint: name the stack file in it")
    sources = load_sources([name], report, stdin=sys.stdin.buffer)
    return sources[0] if sources else None


def _place(made: "Generated", folder: Path, helm: Path | None) -> tuple[dict[str, str], list[str]]:
    """Where each file goes, and every path that may hold a file of an earlier run."""
    from anygate.dialects.apisix.links.plan import list_candidates

    overlay = helm or folder.parent / "helm" / HELM_FILE
    if not helm and folder.name in ("", ".."):
        # The folder itself is the working folder, or is named by where it lies; its own parent is what is meant.
        overlay = folder.resolve().parent / "helm" / HELM_FILE
    wanted = {str(folder / name): text for name, text in made.routes.items()} | {str(overlay): made.helm}
    return wanted, sorted({*wanted, *(str(folder / name) for name in list_candidates())})


def _read_existing(paths: list[str]) -> dict[str, str]:
    """The texts of those files that are there."""
    from anygate.errors import EnvironmentProblem

    found = {}
    for path in paths:
        try:
            # Bytes that are no text cannot be ours; they only need to differ from what is.
            found[path] = Path(path).read_bytes().decode("utf-8", "backslashreplace")
        except FileNotFoundError:
            continue
        except OSError as problem:
            raise EnvironmentProblem(f"{path}: {_render_reason(problem)}") from None
    return found


def _apply(plan: "Plan") -> None:
    """Write everything beside its place, then move it there, then delete: no half-written file is ever seen."""
    from anygate.cli.output import say
    from anygate.errors import EnvironmentProblem

    staged: list[tuple[Path, Path]] = []
    path = ""
    try:
        for path, text in plan.writes.items():
            target = Path(path)
            target.parent.mkdir(parents=True, exist_ok=True)
            beside = target.with_name(f".{target.name}.{os.getpid()}.new")
            staged.append((beside, target))
            beside.write_bytes(text.encode())
        for beside, target in staged:
            path = str(target)
            beside.replace(target)
            say(f"wrote {target}")
        for path in plan.deletions:
            Path(path).unlink(missing_ok=True)
            say(f"deleted {path}")
    except OSError as problem:
        raise EnvironmentProblem(f"{path}: {_render_reason(problem)}") from None
    finally:
        for beside, _ in staged:
            beside.unlink(missing_ok=True)


def _render_reason(problem: OSError) -> str:
    return (problem.strerror or str(problem)).lower()
