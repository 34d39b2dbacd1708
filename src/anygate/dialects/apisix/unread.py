"""Routes that are not valid: their requests are answered here, for a wider rule may be less guarded.

What can be read of a rule says which requests these are, so that they are more than it was meant for, and never fewer.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from anygate.diagnostics import FieldPath, ObjectRef
from anygate.dialects.apisix.closing import close
from anygate.dialects.apisix.context import CLASS_ANNOTATIONS, Context
from anygate.dialects.apisix.ingress import match_path, takes_unnamed
from anygate.dialects.apisix.ingress_annotations import Annotations
from anygate.dialects.apisix.kinds.apisixroute import HttpRule as WrittenRule
from anygate.dialects.apisix.kinds.apisixroute import Method, RouteMatch
from anygate.dialects.apisix.kinds.expressions import Expression
from anygate.dialects.apisix.kinds.values import Host, Network, Path
from anygate.dialects.apisix.matches import read_hosts, read_matches
from anygate.dialects.apisix.plugins.table import PLUGINS
from anygate.dialects.origins import origins_of
from anygate.manifests.object import Manifest
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRoute, HttpRule

Transport = Literal["tcp", "udp"]

_T = TypeVar("_T")
_HOST: TypeAdapter[str] = TypeAdapter(Host)
_PATH: TypeAdapter[str] = TypeAdapter(Path)
_NETWORK: TypeAdapter[str] = TypeAdapter(Network)
_EXPRESSION: TypeAdapter[Expression] = TypeAdapter(Expression)
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_EVERY_PATH = "*"
"""Behind all paths that are known: its stem is shorter than theirs."""


def list_unread_routes(context: Context) -> Iterator[HttpRoute]:
    """The rules of all routes of our classes that are not valid, each closed.

    Nothing is closed for a rule of which neither hosts nor paths can be read: that would be everybody's requests.
    """
    for manifest in context.index.broken("ApisixRoute"):
        if _class_of(manifest) in ("", *context.settings.classes):
            for index, rule in enumerate(_items(manifest.value, "spec", "http")):
                match = _read_match(_inside(rule, "match"))
                yield from _close(manifest, ("spec", "http", index), rule, match)
    unnamed = ("",) if takes_unnamed(context.index) else ()
    for manifest in context.index.broken("Ingress"):
        if _class_of(manifest) in (*unnamed, *context.settings.classes):
            yield from _close_ingress(manifest)


def find_unread_guard(context: Context) -> str:
    """Why no rule may be served: a global rule is not valid, and may have a plugin that guards all of them."""
    for manifest in context.index.broken("ApisixGlobalRule"):
        names = [_inside(one, "name") for one in _items(manifest.value, "spec", "plugins")]
        plugins = [PLUGINS.get(name) if isinstance(name, str) else None for name in names]
        is_ours = _class_of(manifest) in ("", *context.settings.classes)
        if is_ours and (not plugins or any(one is None or one.is_guard for one in plugins)):
            return f"{manifest.ref} is not valid, and may guard every rule"
    return ""


class UnreadStream(NamedTuple):
    """A stream rule of a route that is not valid, as far as it can be told which connections are meant for it."""

    ref: ObjectRef
    origin: Origin
    port: int
    transport: Transport
    host: str


def list_unread_streams(context: Context) -> Iterator[UnreadStream]:
    """The stream rules of all routes of our classes that are not valid."""
    for manifest in context.index.broken("ApisixRoute"):
        if _class_of(manifest) not in ("", *context.settings.classes):
            continue
        for index, rule in enumerate(_items(manifest.value, "spec", "stream")):
            port, hosts = _inside(rule, "match", "ingressPort"), _read_written(_inside(rule, "match"), "host", _HOST)
            if isinstance(port, int) and hosts is not None:
                here = origins_of(manifest).at(("spec", "stream", index))
                transport: Transport = "udp" if _inside(rule, "protocol") == "UDP" else "tcp"
                yield UnreadStream(manifest.ref, here, port, transport, next(iter(hosts), ""))


def _close_ingress(manifest: Manifest) -> Iterator[HttpRoute]:
    use_regex = Annotations(manifest.annotations).is_on("use-regex")
    for index, rule in enumerate(_items(manifest.value, "spec", "rules")):
        for at, path in enumerate(_items(rule, "http", "paths")):
            hosts = _read_written(rule, "host", _HOST)
            text = path.get("path") if isinstance(path, dict) else ""
            match = None
            if text is None or (isinstance(text, str) and text.startswith("/")):
                kind = path.get("pathType")
                widest = "ImplementationSpecific" if use_regex else "Prefix"
                match = match_path(text, kind if kind in _PATH_TYPES else widest, None, use_regex=use_regex)
            elif hosts:
                match = RouteMatch.model_construct(paths=(_EVERY_PATH,))
            if match is not None and hosts is not None:
                match = match.model_copy(update={"hosts": hosts})
                yield from _close(manifest, ("spec", "rules", index, "http", "paths", at), path, match)


def _close(manifest: Manifest, path: FieldPath, rule: Any, match: RouteMatch | None) -> Iterator[HttpRoute]:
    """A route of one rule, which answers all that is known to be meant for it."""
    if match is None:
        return
    here = origins_of(manifest).at(path)
    priority = rule.get("priority") if isinstance(rule, dict) else None
    written = WrittenRule.model_construct(
        name="-".join(map(str, path)), match=match, priority=priority if isinstance(priority, int) else 0
    )
    asking = read_matches(written, (*path, "match"), here)
    open_rule = HttpRule(origin=here, name=written.name, matches=asking.matches, action=Forward(origin=here))
    yield HttpRoute(
        origin=here,
        name=f"{manifest.namespace}/{manifest.name}/{written.name}",
        kind=manifest.kind,
        hostnames=read_hosts(match),
        rules=(close(open_rule, f"{manifest.ref} is not valid"),),
        created=manifest.creation_timestamp,
    )


def _read_match(match: Any) -> RouteMatch | None:
    """The conditions of a rule that can be read. A name or a path that is none is asked for by nobody."""
    hosts, paths = _read_written(match, "hosts", _HOST), _read_written(match, "paths", _PATH)
    if hosts is None or not (hosts or paths):
        return None
    methods = _items(match, "methods")
    exprs = (_validate(_EXPRESSION, one) for one in _items(match, "exprs"))
    networks = [_validate(_NETWORK, one) for one in _items(match, "remoteAddrs")]
    return RouteMatch.model_construct(
        hosts=hosts,
        paths=paths or (_EVERY_PATH,),
        methods=tuple(methods) if all(one in get_args(Method) for one in methods) else (),
        remote_addrs=() if None in networks else tuple(networks),
        exprs=tuple(one for one in exprs if one is not None),
    )


def _read_written(value: Any, name: str, wanted: TypeAdapter[str]) -> tuple[str, ...] | None:
    """Those of some texts, or of one, that are valid; none where nothing is written, None where none of them is."""
    written = value.get(name) if isinstance(value, dict) else None
    if written in (None, []):
        return ()
    found = (_validate(wanted, one) for one in (written if isinstance(written, list) else [written]))
    return tuple(one for one in found if one is not None) or None


def _validate(wanted: TypeAdapter[_T], value: Any) -> _T | None:
    try:
        return wanted.validate_python(value)
    except ValidationError:
        return None


def _inside(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _items(value: Any, *names: str) -> list[Any]:
    found = _inside(value, *names)
    return found if isinstance(found, list) else []


def _class_of(manifest: Manifest) -> str:
    written: Iterable[Any] = (
        _inside(manifest.value, "spec", "ingressClassName"),
        *(manifest.annotations.get(name) for name in CLASS_ANNOTATIONS),
    )
    return next((one for one in written if one and isinstance(one, str)), "")
