"""`anygate new`: a commented, valid manifest to start from."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from anygate.cli.option_types import Output

if TYPE_CHECKING:
    from anygate.dialects.template import Template


def new(
    kind: str = "",
    name: str = "",
    /,
    *,
    namespace: Annotated[str, Parameter(name=("--namespace", "-n"))] = "",
    gateway: str = "",
    hostname: str = "",
    path: str = "",
    service: str = "",
    port: str = "",
    address: str = "",
    route: str = "",
    model: str = "",
    backend: str = "",
    override: str = "",
    timeout: str = "",
    class_: Annotated[str, Parameter(name="--class")] = "",
    certificate: str = "",
    https: bool = False,
    from_: Annotated[str, Parameter(name="--from")] = "",
    with_: Annotated[list[str] | None, Parameter(name="--with")] = None,
    output: Output = "",
) -> int:
    """Print a commented manifest of a kind to start from; without a kind, list the kinds.

    Parameters
    ----------
    kind
        Such as gateway or httproute, in any letter case; plurals and short names as for kubectl.
    name
        Name of the object.
    namespace
        Namespace of the object.
    gateway
        Gateway that a route attaches to or a policy applies to.
    hostname
        Host that is served, or of a backend.
    path
        Path prefix that an HTTPRoute matches.
    service
        Service that a route goes to, or that a policy or grant is about; VirtualService of a GatewayRoute.
    port
        Port of a listener, a Service or a backend.
    address
        IP address of a Service's endpoint; adds an EndpointSlice.
    route
        HTTPRoute that a policy applies to.
    model
        Model that an AIGatewayRoute serves.
    backend
        AIServiceBackend that an AIGatewayRoute goes to or that a policy is for; VirtualNode or VirtualRouter behind
        a VirtualService or VirtualRouter.
    override
        What the model is called at the backend.
    timeout
        How long an answer may take, such as 300s.
    class_
        GatewayClass of a Gateway.
    certificate
        Secret with the certificate of --https.
    https
        Adds an HTTPS listener to a Gateway.
    from_
        Namespace that a ReferenceGrant lets in.
    with_
        Part to bring in, such as tcp for a Gateway or jwt for a SecurityPolicy. May be repeated.
    output
        File to write, which must not exist; standard output by default.
    """
    from anygate.errors import UsageError

    if not kind:
        print(_render_kinds())
        return 0
    template = find_template(kind)
    if not name:
        hint = f"it takes {template.list_options()}"
        raise UsageError(f"name the {template.kind}: anygate new {template.kind.lower()} NAME\nhint: {hint}")
    options = {"namespace": namespace, "gateway": gateway, "hostname": hostname, "path": path, "service": service}
    options |= {"port": port, "address": address, "route": route, "class": class_, "certificate": certificate}
    options |= {"model": model, "backend": backend, "override": override, "timeout": timeout, "from": from_}
    if https and "https" not in template.parts:
        raise UsageError(f"--https has no meaning for kind {template.kind}\nhint: it takes {template.list_options()}")
    parts = [*(with_ or ()), *(["https"] if https else [])]
    text = render_new(template, name, {key: value for key, value in options.items() if value}, parts)
    _write(text, output)
    return 0


def find_template(kind: str) -> "Template":
    """The template of a kind, by its name, its plural or a short name in any letter case."""
    from anygate.errors import UsageError
    from anygate.manifests.names import suggest_word

    known: dict[str, Template] = {}
    for template in _list_templates():
        for word in (template.kind.lower(), *template.short):
            known.setdefault(word, template)
    word = kind.lower().replace("-", "")
    for spelling in (word, word.removesuffix("s"), word.removesuffix("es"), f"{word.removesuffix('ies')}y"):
        if spelling in known:
            return known[spelling]
    guess = suggest_word(word, [one.kind for one in known.values()])
    hint = guess.replace('"', "`") if guess else "`anygate new` lists the kinds"
    raise UsageError(f'there is no template for the kind "{kind}"\nhint: {hint}')


def render_new(template: "Template", name: str, options: Mapping[str, str], parts: list[str]) -> str:
    """The manifest as text. `options` are those that were given; raises UsageError for what does not fit."""
    from anygate.cli.new_values import check_options, complete_values

    check_options(template, name, options, parts)
    wanted = {*options, *(parts or [template.default_part])}
    return "---\n" + template.render(complete_values(template, name, options), wanted)


def _list_templates() -> "list[Template]":
    """What dialects have, and what only a generator reads."""
    from anygate.dialects import DIALECTS
    from anygate.dialects.apisix.links.starters import TEMPLATES

    return [*(one for dialect in DIALECTS for one in dialect.templates), *TEMPLATES]


def _render_kinds() -> str:
    rows = [(one.kind, ", ".join(one.short), one.purpose) for one in _list_templates()]
    kind, short = (max(len(row[column]) for row in rows) for column in range(2))
    return "\n".join(f"{row[0].ljust(kind)}  {row[1].ljust(short)}  {row[2]}" for row in rows)


def _write(text: str, output: str) -> None:
    from anygate.cli.output import say
    from anygate.errors import EnvironmentProblem

    if output in ("", "-"):
        sys.stdout.write(text)
        return
    try:
        with Path(output).open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise EnvironmentProblem(f"{output} exists already, and is left as it is") from None
    except OSError as problem:
        raise EnvironmentProblem(f"{output}: {(problem.strerror or str(problem)).lower()}") from None
    say(f"wrote {output}")
