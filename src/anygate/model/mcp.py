"""MCP servers behind one endpoint: which there are, what is shown of them and who may use what."""

from anygate.model.origin import Node, Origin


class NameFilter(Node, frozen=True):
    """Names that are shown: those in `include` or found by `include_regex` (RE2; neither: all), without the excluded.

    An empty `include` shows nothing; None does not restrict.
    """

    include: tuple[str, ...] | None = None
    include_regex: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    exclude_regex: tuple[str, ...] | None = None


class McpCredential(Node, frozen=True):
    """The key that an MCP server wants. `secret` names an `Opaque` of the model that holds the whole value.

    It goes into `header`, or into the query parameter `query` instead. Without `overwrite` a header of the client that
    is forwarded under this name stays.
    """

    origin: Origin
    secret: str
    header: str = "authorization"
    query: str = ""
    overwrite: bool = True


class McpAccess(Node, frozen=True):
    """What makes a backend an MCP server: it is reached through the MCP gateway, which never sees the credential."""

    origin: Origin
    credential: McpCredential | None = None


class McpServer(Node, frozen=True):
    """What is shown of one MCP server of a route.

    `forward` lists headers of clients that it gets, each with its name there. `prefixed` says that its tools and
    prompts are shown as `name__tool`.
    """

    origin: Origin
    name: str
    path: str = "/mcp"
    tools: NameFilter | None = None
    prompts: NameFilter | None = None
    forward: tuple[tuple[str, str], ...] = ()
    prefixed: bool = True


class McpClaim(Node, frozen=True):
    """A claim, dotted where nested, that must have one of the values; a list must contain one."""

    name: str
    values: tuple[str, ...]
    is_list: bool = False


class McpRule(Node, frozen=True):
    """Decides when all that is given holds: scopes and claims of the token, the tools (server, tool), the CEL."""

    origin: Origin
    allow: bool
    scopes: tuple[str, ...] = ()
    claims: tuple[McpClaim, ...] = ()
    tools: tuple[tuple[str, str], ...] = ()
    expression: str = ""


class McpRules(Node, frozen=True):
    """The first rule that holds decides, or else the default; an expression that fails denies."""

    origin: Origin
    rules: tuple[McpRule, ...] = ()
    allow_by_default: bool = False


class Mcp(Node, frozen=True):
    """What makes a rule an endpoint of the Model Context Protocol. The rule has a target for each of the servers, in
    their order; one without a backend stands for a server that cannot be used.

    `route` is the MCPRoute (`namespace/name`), to which sessions are bound. `authorization` is asked for each tool,
    `selector` for each server of a new session. `jwt_provider` names the `JwtProvider` of the rule whose claims both
    may look at; sessions are bound to its subject, or to the value of `subject_header`, which only a filter can set.
    `metadata_url` is where clients learn how to get a token; with it, answers of status 401 say so.
    """

    origin: Origin
    route: str
    servers: tuple[McpServer, ...]
    authorization: McpRules | None = None
    selector: McpRules | None = None
    jwt_provider: str = ""
    subject_header: str = ""
    metadata_url: str = ""
