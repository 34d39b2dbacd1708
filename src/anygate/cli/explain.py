"""`anygate explain`: where a request goes, and why; the request is written as for curl."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import Parameter
from msgspec.structs import replace

from anygate.cli.option_types import Flag, Format, Several

if TYPE_CHECKING:
    from anygate.explain import Explanation, Request
    from anygate.model import Model

_MANIFEST_ENDINGS = (".yaml", ".yml", ".json")
_PORT = re.compile(r"([^/?#]*//)?[^/?#]*:[0-9]+([/?#]|$)")
_PLACE = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_*-]+(\.[A-Za-z0-9_-]+)*\.?)(:[0-9]+)?([/?#].*)?")


def explain(
    *arguments: str,
    request: Annotated[str, Parameter(name=("--request", "-X"))] = "",
    header: Annotated[list[str] | None, Parameter(name=("--header", "-H"), allow_leading_hyphen=True)] = None,
    data: Annotated[list[str] | None, Parameter(name=("--data", "-d"), allow_leading_hyphen=True)] = None,
    head: Annotated[bool, Parameter(name=("--head", "-I"))] = False,
    insecure: Annotated[int, Parameter(name=("--insecure", "-k", "-s", "-S", "-i", "-v"), count=True)] = 0,
    node: Several = None,
    strict: Flag = False,
    format: Format = "text",  # noqa: A002
) -> int:
    """Say where a request goes and why: listener, hostname, rule, backend, and what came close.

    Exits with 1 when the manifests have errors, whatever becomes of the request.

    Parameters
    ----------
    arguments
        Files, folders or - for standard input, and one URL, in any order.
    request
        Method; GET unless there is a body.
    header
        Request header, 'name: value'. May be repeated.
    data
        Request body, or @FILE, or @- for standard input. May be repeated.
    head
        The same as -X HEAD.
    insecure
        Accepted so that a curl command can be pasted; changes nothing.
    node
        App Mesh: ask the sidecar of this VirtualNode, as NAME or NAMESPACE/NAME, instead of gateways. May be repeated.
    strict
        App Mesh manifests are refused where its controller refused them.
    format
        How the explanation is printed: text or json.
    """
    from anygate.cli.compiled import compile_paths
    from anygate.cli.output import print_diagnostics
    from anygate.diagnostics import Severity
    from anygate.errors import UsageError
    from anygate.explain import explain as explain_request
    from anygate.explain import parse_request, render_json, render_text

    del insecure
    paths, url = split_arguments(arguments)
    if "-" in paths and "@-" in (data or ()):
        raise UsageError("standard input cannot be both the manifests and the body")
    url = complete_url(url, header or ())
    found = parse_request(
        url,
        method=request or ("HEAD" if head else ""),
        headers=header or (),
        body=_read_body(data),
    )
    made = compile_paths(paths, strict=strict, nodes=node or ())
    model = made.result.model
    asked = found if _PORT.match(url) else assume_port(model, found)
    answer = note_endpoints(model, explain_request(assume_endpoints(model), asked))
    if asked.port != found.port:
        note = f"port {asked.port}, the only one for {asked.scheme}, is taken for it"
        answer = replace(answer, notes=(f"nothing listens on port {found.port}; {note}", *answer.notes))
    print_diagnostics([one for one in made.diagnostics if one.severity is not Severity.NOTE])
    print((render_json if format == "json" else render_text)(answer), end="")
    return 1 if made.errors else 0


def assume_port(model: "Model", request: "Request") -> "Request":
    """The request at the one port that speaks its scheme, where none has the scheme's own.

    In front of a gateway, as of APISIX's 9080, there mostly is something that takes clients at the usual port.
    """
    from anygate.explain.entrance import find_doors

    ports = {
        listener.port
        for gateway in model.gateways
        for listener in gateway.listeners
        if any(server.protocol == request.scheme for server in listener.servers)
    }
    if len(ports) != 1 or find_doors(model, request, {}):
        return request
    headers = request.headers
    if all(name.lower() != "host" for name, _ in headers):
        headers = (*headers, ("host", request.host))
    return replace(request, port=ports.pop(), headers=headers)


def assume_endpoints(model: "Model") -> "Model":
    """The model as in a cluster, where Services have endpoints that the manifests do not name."""
    backends = [
        one if one.dynamic or any(group.endpoints for group in one.groups) else replace(one, stub=True)
        for one in model.backends
    ]
    return replace(model, backends=tuple(backends))


def note_endpoints(model: "Model", answer: "Explanation") -> "Explanation":
    """Say of which backends endpoints were assumed, where that matters."""
    if answer.decision.kind != "forward":
        return answer
    known = {one.name for one in model.backends if one.dynamic or any(group.endpoints for group in one.groups)}
    names = [one.name for one in answer.targets if one.upstream is not None and one.name not in known]
    notes = [f"{name} has no endpoints here, and is taken to have some as in a cluster" for name in names]
    return replace(answer, notes=(*answer.notes, *notes))


class Arguments(NamedTuple):
    """The positional arguments, told apart."""

    paths: tuple[str, ...]
    url: str


def split_arguments(arguments: tuple[str, ...]) -> Arguments:
    """Tell the URL from the paths: it has `://`, or else it is the one argument that is not on the disk."""
    from anygate.errors import UsageError

    urls = [one for one in arguments if "://" in one]
    if not urls:
        urls = [one for one in arguments if one != "-" and not Path(one).exists() and _looks_like_url(one)]
    if len(urls) > 1:
        hint = "" if "://" in urls[0] else "\nhint: write http:// in front of the one that is"
        raise UsageError(f"more than one argument may be the URL: {', '.join(urls)}{hint}")
    if not urls:
        raise UsageError("name the URL of the request, such as http://shop.example.com/cart")
    at = arguments.index(urls[0])
    paths = arguments[:at] + arguments[at + 1 :]
    if not paths:
        raise UsageError("name a file or folder with manifests, or - for standard input")
    return Arguments(paths, urls[0])


def complete_url(url: str, headers: list[str] | tuple[str, ...]) -> str:
    """A URL that is only a path gets its host from the Host header."""
    from anygate.errors import UsageError

    if not url.startswith("/"):
        return url
    for line in headers:
        name, _, value = line.partition(":")
        if name.strip().lower() == "host" and value.strip():
            return f"http://{value.strip()}{url}"
    raise UsageError(f"{url} names no host\nhint: write http://HOST{url}, or add -H 'Host: HOST'")


def _looks_like_url(text: str) -> bool:
    path = text.partition("?")[0]
    return not path.endswith(_MANIFEST_ENDINGS) and bool(text.startswith("/") or _PLACE.fullmatch(text))


def _read_body(parts: list[str] | None) -> bytes | None:
    """Join the parts as curl does; line breaks of files are left out, as curl leaves them out."""
    if parts is None:
        return None
    return b"&".join(_read_part(part) for part in parts)


def _read_part(part: str) -> bytes:
    from anygate.errors import EnvironmentProblem

    if not part.startswith("@"):
        return part.encode()
    try:
        content = sys.stdin.buffer.read() if part == "@-" else Path(part[1:]).read_bytes()
    except OSError as problem:
        raise EnvironmentProblem(f"{part[1:]}: {(problem.strerror or str(problem)).lower()}") from None
    return content.translate(None, b"\r\n\0")
