"""The evaluator of CEL expressions, without the interactive shell that its package loads along.

`import cel` takes 0.8 s, most of it for a prompt; the evaluator alone takes a millisecond.
"""

import sys
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

_MODULE = "cel.cel"


@cache
def load_cel() -> Any:
    """The module with `compile`, `evaluate` and `Context`."""
    known = sys.modules.get(_MODULE)
    if known is not None:
        return known
    package = find_spec("cel")
    folders = (package.submodule_search_locations or ()) if package else ()
    paths = (Path(folder) / f"cel{suffix}" for folder in folders for suffix in EXTENSION_SUFFIXES)
    spec = next((spec_from_file_location(_MODULE, path) for path in paths if path.exists()), None)
    if spec is None or spec.loader is None:
        import cel

        return cel
    # An extension can be set up once only, so whoever imports the package later has to find this one.
    module = sys.modules[_MODULE] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
