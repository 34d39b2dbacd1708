"""`anygate diff`: what one set of manifests does otherwise than another."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anygate.cli.option_types import Flag, Format, Several

if TYPE_CHECKING:
    from anygate.cli.compiled import Compiled


def diff(
    old: str,
    new: str,
    *,
    format: Format = "text",  # noqa: A002
    strict: Flag = False,
    node: Several = None,
) -> int:
    """Compare two sets of manifests of any kind by what they do, not by how they are written.

    Exits with 0 when they do the same, with 1 when something differs, and with 2 when manifests have errors, for what
    is left of them says little.

    Parameters
    ----------
    old
        A file, a folder (searched for *.yaml, *.yml and *.json) or - for standard input.
    new
        The same for what it is compared with.
    format
        How differences are printed: text or json.
    strict
        What differs only where a prefix ends counts too; it is a note otherwise.
    node
        Compare the sidecars of this VirtualNode of App Mesh, NAME or NAMESPACE/NAME, in place of the gateways. May be
        repeated.
    """
    from anygate.cli.output import say, show_step, wants_colour
    from anygate.diff import diff_models, render_json, render_text
    from anygate.errors import UsageError

    if old == new == "-":
        raise UsageError("standard input cannot be both sets of manifests")
    with show_step("reading manifests"):
        before, after = (_read(path, node or ()) for path in (old, new))
    with show_step("comparing"):
        found = diff_models(before.result.model, after.result.model, strict=strict)
    print(render_json(found) if format == "json" else render_text(found, colour=wants_colour(sys.stdout)), end="")
    for note in found.notes if format == "text" else ():
        say(f"note: {note}")
    if before.errors or after.errors:
        return 2
    return 1 if found else 0


def _read(path: str, nodes: Sequence[str]) -> "Compiled":
    """Read one side; its errors are printed."""
    from anygate.cli.compiled import compile_paths
    from anygate.cli.output import print_diagnostics

    made = compile_paths([path], nodes=nodes)
    print_diagnostics(made.errors)
    return made
