"""At which of a client's paths the paths of AI APIs are, by what a route matches and rewrites."""

import pytest

from anygate.dialects.nantian.ai_paths import list_matches, rebase
from anygate.dialects.nantian.vendors import read_api
from anygate.model.edit import PathRewrite
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin

HERE = Origin("T", "", "t")


def prefix(value: str) -> PathMatch:
    return PathMatch(kind="prefix", value=value)


@pytest.mark.parametrize(
    ("path", "rewrite", "wanted"),
    [
        (prefix("/"), None, {"/v1/chat/completions", "/chat/completions"}),
        (prefix("/v1"), None, {"/v1/chat/completions"}),
        (prefix("/llm"), None, set()),
        (prefix("/llm"), PathRewrite(kind="prefix", value="/"), {"/llm/v1/chat/completions", "/llm/chat/completions"}),
        (prefix("/llm/"), PathRewrite(kind="prefix", value="/v1"), {"/llm/chat/completions"}),
        (prefix("/a"), PathRewrite(kind="full", value="/v1/chat/completions"), {"/a"}),
        (PathMatch(kind="exact", value="/chat/completions"), None, {"/chat/completions"}),
        (PathMatch(kind="regex", value="/v[0-9]/chat/.*"), None, {"/v1/chat/completions"}),
        (PathMatch(kind="regex", value="("), None, set()),
    ],
)
def test_where_chats_come_in(path: PathMatch, rewrite: PathRewrite | None, wanted: set[str]) -> None:
    matches = [HttpMatch(origin=HERE, path=path, rank=(7,))]
    found = [match for endpoint, match in list_matches(matches, rewrite, HERE) if endpoint == "chat"]
    assert {match.path.value for match in found if match.path} == wanted
    assert all(match.rank == (7,) for match in found)


def test_a_rule_for_another_method_takes_no_ai_requests() -> None:
    assert list(list_matches([HttpMatch(origin=HERE, method="GET")], None, HERE)) == []
    assert list(list_matches([], None, HERE))


@pytest.mark.parametrize(
    ("format_", "endpoint", "prefix", "base"),
    [
        ("OpenAI", "https://api.openai.com/v1", "v1", ""),
        ("OpenAI", "https://api.openai.com", "", ""),
        ("OpenAI", "https://api.groq.com/openai/v1", "openai/v1", "openai"),
        ("Anthropic", "https://api.anthropic.com", "v1", ""),
        ("Anthropic", "https://proxy.example.com/claude", "claude/v1", "claude"),
        ("Ollama", "http://localhost:11434", "v1", ""),
        ("Ollama", "http://localhost:11434/v1", "v1", ""),
    ],
)
def test_an_endpoint_is_read_as_the_vendors_clients_read_it(
    format_: str, endpoint: str, prefix: str, base: str
) -> None:
    found = read_api(format_, endpoint)
    assert (found.prefix, found.base) == (prefix, base)


def test_other_paths_are_below_the_base_too() -> None:
    made = rebase([HttpMatch(origin=HERE, path=prefix("/llm"))], PathRewrite(kind="prefix", value="/"), "openai")
    assert made == PathRewrite(kind="regex", pattern="^(?:/llm)/", value="/openai/")
    assert rebase([], None, "openai") == PathRewrite(kind="regex", pattern="^/", value="/openai/")
    assert rebase([], None, "") is None
