"""The table of `run`: what it says about AI models, tools and their clients."""

from pathlib import Path

from anygate.compiler import compile_sources
from anygate.diagnostics import SourceFile
from anygate.model import Model
from anygate.runner.clients import list_clients, list_models
from anygate.runner.table import Table, render_changes, render_table

EXAMPLES = Path(__file__).parents[3] / "examples"
URLS = (("http://127.0.0.1:1975", "*", "1", "default/ai"),)


def read(*texts: str) -> Model:
    return compile_sources([SourceFile(f"{number}.yaml", text) for number, text in enumerate(texts)]).model


def example(name: str) -> str:
    return (EXAMPLES / name).read_text()


def clients(model: Model) -> list[tuple[str, str, str]]:
    (gateway,) = model.gateways
    (server,) = gateway.listeners[0].servers
    return list(list_clients(server, "http://x"))


def test_clients_are_those_whose_endpoint_a_backend_has() -> None:
    openai, anthropic = ("OpenAI", "http://x/v1", "*"), ("Anthropic", "http://x/anthropic", "*")
    assert clients(read(example("ai-failover.yaml"))) == [openai, anthropic]
    everything = [path.read_text() for path in sorted((EXAMPLES / "ai").iterdir())]
    assert clients(read(*everything)) == [openai, anthropic, ("Cohere", "http://x/cohere", "*")]
    assert clients(read(example("mcp.yaml"))) == [("MCP", "http://x/mcp", "*")]


def test_hosts_of_the_route_are_named() -> None:
    hosted = example("ai-quickstart.yaml").replace("  rules:", "  hostnames: [ai.example.com]\n  rules:")
    assert {host for _, _, host in clients(read(hosted))} == {"ai.example.com"}


def test_models_with_who_answers_for_them() -> None:
    assert list(list_models(read(example("ai-failover.yaml")))) == [("gpt-4o", "openai, then azure, then gemini")]
    assert list(list_models(read(example("ai-self-hosted.yaml")))) == [("llama", "vllm or ollama")]
    assert list(list_models(read(example("ai-quickstart.yaml")))) == [("any", "openai")]


def test_hosts_are_shown_where_they_matter() -> None:
    table = Table(URLS, (), (("OpenAI", "http://x/v1", "*"),), (("gpt-4o", "openai"),))
    assert render_table(table).split("\n\n")[1:] == [
        "CLIENTS  BASE URL\nOpenAI   http://x/v1",
        "MODEL   ANSWERED BY\ngpt-4o  openai\n",
    ]
    hosted = Table(URLS, (), (("OpenAI", "http://x/v1", "ai.example.com"),))
    assert render_table(hosted).split("\n\n")[1] == (
        "CLIENTS  BASE URL     HOST\nOpenAI   http://x/v1  ai.example.com\n"
    )


def test_changes_name_models_too() -> None:
    old = Table(URLS, (), (), (("gpt-4o", "openai"),))
    new = Table(URLS, (), (), (("gpt-4o", "openai, then azure"),))
    assert render_changes(old, new) == "-  gpt-4o  openai\n+  gpt-4o  openai, then azure\n"
