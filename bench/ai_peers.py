"""Other AI gateways from PyPI, each in an environment of its own, started in front of the provider of `ai.py`."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import plain_envoy

_HOME = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "anygate-bench"

_LITELLM = """
model_list:
- model_name: native
  litellm_params: {{model: openai/gpt-4o, api_base: "http://127.0.0.1:{target}/v1", api_key: sk-bench}}
- model_name: translated
  litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "http://127.0.0.1:{target}", api_key: sk-bench}}
litellm_settings: {{forward_client_headers_to_llm_api: true}}
general_settings: {{forward_client_headers_to_llm_api: true}}
"""


@dataclass
class Peer:
    """One gateway with one of its models."""

    name: str
    port: int
    pid: int
    model: str
    headers: dict[str, str]


def starting(stack: ExitStack, folder: Path, target: int) -> Iterator[Peer]:
    """Install and start what can be had; what cannot is named on standard error."""
    for name, start in (("LiteLLM", _start_litellm),):
        try:
            found = start(stack, folder, target)
        except (OSError, subprocess.SubprocessError) as problem:
            print(f"{name} is left out: {problem}", file=sys.stderr)
            continue
        yield from found


def _install(name: str, *packages: str) -> Path:
    """The folder of programs of an environment with `packages`, made on the first call."""
    home = _HOME / name
    if not (home / "installed").exists():
        subprocess.run(["uv", "venv", "--quiet", "--clear", str(home)], check=True)
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(home), *packages], check=True)
        (home / "installed").touch()
    return home / "bin"


def _start_litellm(stack: ExitStack, folder: Path, target: int) -> list[Peer]:
    programs = _install("litellm", "litellm[proxy]")
    port = plain_envoy.free_port()
    (folder / "litellm.config").write_text(_LITELLM.format(target=target))
    command = [str(programs / "litellm"), "--config", str(folder / "litellm.config"), "--port", str(port)]
    environment = {**os.environ, "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    # It listens on the loopback address alone, and keys would be one more thing to measure.
    environment["LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY"] = "true"
    process = subprocess.Popen(
        [*command, "--host", plain_envoy.LOOPBACK],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    stack.callback(_end, process)
    return [
        Peer("LiteLLM", port, process.pid, "native", {}),
        Peer("LiteLLM, translated", port, process.pid, "translated", {}),
    ]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
