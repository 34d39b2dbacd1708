"""`anygate check`: read manifests and say what is wrong with them."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from anygate.cli.option_types import Flag, Several

if TYPE_CHECKING:
    from anygate.diagnostics import Diagnostic


def check(
    *path: str,
    format: Literal["text", "json", "github", "sarif"] = "text",  # noqa: A002
    node: Several = None,
    strict: Flag = False,
) -> int:
    """Check manifests without running them. Exits with 1 when there are errors.

    Parameters
    ----------
    path
        Files, folders (searched for *.yaml, *.yml and *.json) or - for standard input.
    format
        How findings are printed: text, json, github (workflow commands) or sarif.
    node
        App Mesh: check the sidecar of this VirtualNode, NAME or NAMESPACE/NAME, instead of gateways. May be repeated.
    strict
        Warnings count as errors, and App Mesh manifests are refused where its controller refused them.
    """
    from anygate.cli.compiled import compile_paths
    from anygate.diagnostics import Severity
    from anygate.errors import UsageError

    if not path:
        raise UsageError("name a file or folder to check, or - for standard input")
    made = compile_paths(path, strict=strict, nodes=node or ())
    # Where endpoints are is a matter of running: manifests for a cluster leave it to the cluster.
    found = [one for one in made.diagnostics if not one.rule.endswith("no-endpoints")]
    _print(found, format, len(made.sources), made.objects)
    failing = {Severity.ERROR, Severity.WARNING} if strict else {Severity.ERROR}
    return 1 if any(one.severity in failing for one in found) else 0


def _print(found: "Sequence[Diagnostic]", format: str, files: int, objects: int) -> None:  # noqa: A002
    if format == "json":
        from anygate.diagnostics.render_json import render_json

        print(render_json(found))
    elif format == "github":
        from anygate.diagnostics.render_github import render_github

        text = render_github(found)
        print(text, end="" if not text or text.endswith("\n") else "\n")
    elif format == "sarif":
        from anygate.diagnostics.render_sarif import render_sarif

        print(render_sarif(found))
    else:
        from anygate.cli.output import print_diagnostics, say

        print_diagnostics(found, sys.stdout)
        if not found:
            files_word = "file" if files == 1 else "files"
            objects_word = "object" if objects == 1 else "objects"
            say(f"no mistakes in {objects} {objects_word} of {files} {files_word}")
