"""`anygate run` without a path: manifests for the model providers whose keys stand in the environment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from anygate.diagnostics import SourceFile
from anygate.errors import UsageError
from anygate.runner.environment_manifests import write_manifests
from anygate.runner.environment_services import Service, find_services
from anygate.runner.ollama import LOCAL, find_address

FILE = "<environment>"
"""The name under which diagnostics refer to what is made of the environment."""

NOTHING_SET = """name a file or folder to run, or - for standard input
hint: see `anygate run --help`
hint: or serve the model providers whose keys are in the environment:
  OPENAI_API_KEY         with OPENAI_BASE_URL, OPENAI_ORG_ID, OPENAI_PROJECT_ID where they are needed
  ANTHROPIC_API_KEY      with ANTHROPIC_BASE_URL where it is needed
  AZURE_OPENAI_ENDPOINT  and AZURE_OPENAI_API_KEY, or AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET
  GEMINI_API_KEY         or GOOGLE_API_KEY
  AWS_REGION             and AWS_ACCESS_KEY_ID with AWS_SECRET_ACCESS_KEY, AWS_PROFILE or AWS_BEARER_TOKEN_BEDROCK
  a local Ollama         is found by itself"""


_KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY")


@dataclass(frozen=True)
class Found:
    """Manifests, and what people should know about them. `source` holds secrets; `shown` has none."""

    source: SourceFile
    shown: str
    notes: tuple[str, ...] = ()


def read_environment(
    environment: Mapping[str, str], ask_ollama: Callable[[str, int], Sequence[str] | None] = lambda *_: None
) -> Found:
    """Make manifests of the environment; raises UsageError when it names no provider, or one that makes no sense.

    `ask_ollama` returns the names of the models of an Ollama at a host and port, or None if there is none.
    """
    notes: list[str] = []
    host, port = find_address(environment)
    services = find_services(environment, notes)
    # Whoever calls Ollama by OpenAI's variables has named it already.
    if not any((service.address.host, service.address.port) in _names(host, port) for service in services):
        models = ask_ollama(host, port)
        if models is not None:
            services = (Service.of_ollama(host, port, models), *services)
    if not services:
        notes += [f"{name} is set and empty" for name in _KEYS if environment.get(name) == ""]
        raise UsageError("\n".join([NOTHING_SET, *(f"hint: {note}" for note in notes)]))
    source = SourceFile(FILE, write_manifests(services))
    return Found(source, write_manifests(services, blank=True), (*notes, *_describe(services)))


def _names(host: str, port: int) -> set[tuple[str, int]]:
    return {(name, port) for name in (LOCAL if host in LOCAL else (host,))}


def _describe(services: Sequence[Service]) -> list[str]:
    titles = [service.title for service in services]
    found = [f"from the environment: {', '.join(titles)}"]
    names = {service.name for service in services}
    if {"openai", "azure"} <= names:
        found.append("models of OpenAI go to OpenAI, and to Azure when it fails")
    return found
