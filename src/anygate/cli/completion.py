"""`anygate completion`: a shell's completion script."""

from typing import Literal


def completion(shell: Literal["bash", "zsh", "fish"]) -> int:
    """Print the completion script of a shell.

    In bash, `source <(anygate completion bash)`; in zsh the same; in fish, `anygate completion fish | source`.

    Parameters
    ----------
    shell
        The shell: bash, zsh or fish.
    """
    from anygate.cli.app import build_app

    print(build_app().generate_completion(shell=shell))
    return 0
