"""An MCP endpoint with something to see of each of its fields."""

from build_models import ORIGIN, backend, forward, prefix, rule

from anygate.model import mcp as m

_RULES = m.McpRules(
    origin=ORIGIN,
    rules=(
        m.McpRule(
            origin=ORIGIN,
            allow=True,
            scopes=("read",),
            claims=(m.McpClaim(name="sub", values=("a",)),),
            tools=(("git", "find"),),
            expression="true",
        ),
    ),
)
_NAMES = m.NameFilter(include=("find",), include_regex=("^f",), exclude=("fix",), exclude_regex=("x$",))
MCP_SERVERS = (
    backend("git", 8101, mcp=m.McpAccess(origin=ORIGIN, credential=m.McpCredential(origin=ORIGIN, secret="opaque"))),
    backend("wiki", 8102, mcp=m.McpAccess(origin=ORIGIN)),
)
MCP_RULES = (
    rule(
        forward("git", "wiki"),
        prefix("/mcp"),
        mcp=m.Mcp(
            origin=ORIGIN,
            route="default/tools",
            servers=(
                m.McpServer(
                    origin=ORIGIN, name="git", path="/x", tools=_NAMES, prompts=_NAMES, forward=(("x-user", "x-user"),)
                ),
                m.McpServer(origin=ORIGIN, name="wiki"),
            ),
            authorization=_RULES,
            selector=_RULES,
            jwt_provider="p",
            subject_header="x-client",
            metadata_url="https://a.example/metadata",
        ),
    ),
)
