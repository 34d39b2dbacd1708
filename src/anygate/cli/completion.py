"""`anygate completion`: a shell's completion script."""

import re
from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the completion script of a shell.

    In bash and zsh `source <(anygate completion bash)`, in fish `anygate completion fish | source`.

    Parameters
    ----------
    shell
        The shell: bash, zsh or fish.
    """
    from anygate.cli.app import build_app

    print(_offer_files(build_app().generate_completion(shell=shell)))
    return 0


def _offer_files(script: str) -> str:
    """Offer files where nothing else fits: paths are plain text to the parser, since - is one of them."""
    script = script.replace("\ncomplete -F _anygate ", "\ncomplete -o default -F _anygate ")
    return re.sub(r"^( +'\*:[^':]+)(' \\)$", r"\1:_files\2", script, flags=re.MULTILINE)
