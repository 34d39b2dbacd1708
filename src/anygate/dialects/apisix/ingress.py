"""Ingress to ApisixRoute and ApisixTls, as APISIX's ingress controller reads it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from anygate.diagnostics import FieldPath, ObjectRef, Report, Rule, Span
from anygate.dialects.apisix.context import CLASS_ANNOTATIONS
from anygate.dialects.apisix.findings import INGRESS_ANNOTATION, INGRESS_CLASS, NOT_HONOURED
from anygate.dialects.apisix.ingress_annotations import KNOWN, PREFIX, Annotations
from anygate.dialects.apisix.kinds import apisixroute as routes
from anygate.dialects.apisix.kinds.apisixtls import ApisixTls, ApisixTlsSpec
from anygate.dialects.apisix.kinds.expressions import Expression, Subject
from anygate.dialects.apisix.kinds.ingress import CONTROLLER, Ingress, IngressBackend, IngressClass, IngressPath
from anygate.dialects.apisix.kinds.plugins import APISIX_GROUP, Plugin
from anygate.dialects.apisix.kinds.values import SecretReference, Timeouts
from anygate.dialects.apisix.settings import Settings
from anygate.dialects.apisix.status import Conditions
from anygate.dialects.derived import DerivedManifest
from anygate.manifests.index import Index
from anygate.manifests.kind import Kind
from anygate.manifests.names import suggest_word

_DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_LAST = -1
"""The priority of a default backend, whose requests nobody else takes."""


@dataclass(frozen=True, slots=True, eq=False)
class IngressManifest(DerivedManifest):
    """An object that an Ingress stands for; `places` say where the Ingress says what the object does."""

    places: dict[FieldPath, FieldPath] = field(default_factory=dict)

    def span(self, path: FieldPath = ()) -> Span:
        """Where the value at `path` stands in the Ingress."""
        return self.tree.span(self.written_path(path))

    def start(self, path: FieldPath = ()) -> tuple[int, int]:
        """Line and column where `span` starts."""
        return self.tree.start(self.written_path(path))

    def written_path(self, path: FieldPath) -> FieldPath:
        """The field of the Ingress that says what a field of this object does, or what is around it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return path if not self.places or path[:1] == ("metadata",) else ()


class IngressBackendUse(routes.RouteBackend):
    """A Service of an Ingress, and what its annotations say about it."""

    said: Any = routes.Overrides()

    @property
    def overrides(self) -> routes.Overrides:
        """What annotations say."""
        found: routes.Overrides = self.said
        return found


def derive_objects(index: Index, settings: Settings, report: Report, conditions: Conditions) -> tuple[Kind, ...]:
    """What all Ingresses of our classes stand for; of the others it is noted that they are not read."""
    with_unnamed = takes_unnamed(index)
    found: list[Kind] = []
    for item in index.every(Ingress):
        name, path = _class_of(item)
        if name in settings.classes if name else with_unnamed:
            found += _Derivation(item, report, conditions).derive()
        else:
            text = f"it is ignored: its class is {name}" if name else "it is ignored: the default class is not APISIX's"
            hint = f"the classes {', '.join(settings.classes)} are read; an ApisixSettings may list others"
            report.add(INGRESS_CLASS, text, item.span(path), path=path, object=item.ref, hint=hint)
    return tuple(found)


def takes_unnamed(index: Index) -> bool:
    """Whether an Ingress that names no class is ours: without a default class nobody else could be meant here."""
    classes = index.every(IngressClass)
    usual = [one for one in classes if one.manifest.annotations.get(_DEFAULT_CLASS) == "true"]
    return not usual or any(one.spec.controller == CONTROLLER for one in usual)


def match_path(path: str | None, kind: str, host: str | None, *, use_regex: bool) -> routes.RouteMatch:
    """What a path of an Ingress asks for, by its `pathType`."""
    text = path or "/*"
    if kind == "Prefix":
        # APISIX's own prefixes end anywhere, those of Ingresses only with an element of the path.
        return _make_match([text, f"{text.removesuffix('/')}/*"], host)
    if kind == "ImplementationSpecific" and use_regex and path is not None:
        subject = Subject.model_construct(scope="Path", name="")
        pattern = Expression.model_construct(subject=subject, op="RegexMatch", value=text)
        return _make_match(["/*"], host, (pattern,))
    return _make_match([text], host)


def _class_of(item: Ingress) -> tuple[str, FieldPath]:
    if item.spec.ingress_class_name:
        return item.spec.ingress_class_name, ("spec", "ingressClassName")
    for name in CLASS_ANNOTATIONS:
        if item.manifest.annotations.get(name):
            return item.manifest.annotations[name], ("metadata", "annotations", name)
    return "", ("metadata", "name")


class _Derivation:
    """Derives the objects of one Ingress."""

    def __init__(self, item: Ingress, report: Report, conditions: Conditions) -> None:
        self._item = item
        self._report = report
        self._conditions = conditions
        self._said = Annotations(item.manifest.annotations)
        self._said.check()
        self._plugins = self._said.list_plugins()
        self._overrides = routes.Overrides(self._said.get("svc-namespace"), self._said.scheme, self._said.retries)
        timeouts = self._said.timeouts
        self._timeouts = Timeouts.model_construct(**timeouts) if timeouts else None
        self._places: dict[FieldPath, FieldPath] = {}

    def derive(self) -> Iterator[Kind]:
        """The route, and a certificate for each entry of `tls`."""
        for name, why in self._said.remarks:
            hint = suggest_word(name, KNOWN) if name not in KNOWN else ""
            self._note(INGRESS_ANNOTATION, f"{PREFIX}{name}: {why}", _annotation(name), hint)
        rules = [*self._list_rules()]
        spec = routes.ApisixRouteSpec.model_construct(http=tuple(rules))
        made = routes.ApisixRoute.model_construct(kind="ApisixRoute", metadata=self._item.metadata, spec=spec)
        yield made.attach(self._make_manifest("ApisixRoute", f"ingress/{self._item.name}", self._places))
        yield from self._list_certificates()

    def _list_rules(self) -> Iterator[routes.HttpRule]:
        number = 0
        for index, rule in enumerate(self._item.spec.rules):
            for at, path in enumerate(rule.http.paths if rule.http is not None else ()):
                place: FieldPath = ("spec", "rules", index, "http", "paths", at)
                found = self._make_rule(number, f"{index}-{at}", path.backend, place, self._match(path, rule.host))
                if found is not None:
                    here: FieldPath = ("spec", "http", number)
                    self._places[*here, "match", "hosts"] = ("spec", "rules", index, "host")
                    self._places[*here, "match", "paths"] = (*place, "path")
                    self._places[*here, "match", "exprs"] = (*place, "path")
                    self._places[*here, "backends"] = (*place, "backend")
                    number += 1
                    yield found
        default = self._item.spec.default_backend
        if default is not None:
            place = ("spec", "defaultBackend")
            found = self._make_rule(number, "default", default, place, _make_match(["/*"], None), priority=_LAST)
            if found is not None:
                yield found

    def _match(self, path: IngressPath, host: str | None) -> routes.RouteMatch:
        return match_path(path.path, path.path_type, host, use_regex=self._said.is_on("use-regex"))

    def _make_rule(
        self,
        number: int,
        name: str,
        backend: IngressBackend,
        place: FieldPath,
        match: routes.RouteMatch,
        priority: int = 0,
    ) -> routes.HttpRule | None:
        service = backend.service
        if service is None:
            text = "only Services can be backends; the path is left out"
            self._note(NOT_HONOURED, text, (*place, "backend", "resource"))
            self._conditions.refuse_part(self._item.ref, text)
            return None
        here: FieldPath = ("spec", "http", number)
        self._places[here] = place
        for index, one in enumerate(self._plugins):
            self._places[*here, "plugins", index] = _annotation(one.annotation)
        self._places[*here, "plugin_config_name"] = _annotation("plugin-config-name")
        self._places[*here, "timeout"] = _annotation(self._said.timeout_annotation)
        self._places[*here, "websocket"] = _annotation("enable-websocket")
        used = IngressBackendUse.model_construct(
            service_name=service.name,
            service_port=service.port.number or service.port.name,
            said=self._overrides,
        )
        return routes.HttpRule.model_construct(
            name=name,
            priority=priority,
            match=match,
            backends=(used,),
            timeout=self._timeouts,
            websocket=self._said.is_on("enable-websocket"),
            plugin_config_name=self._said.get("plugin-config-name") or None,
            plugins=tuple(Plugin.model_construct(name=one.plugin, config=one.config) for one in self._plugins),
        )

    def _list_certificates(self) -> Iterator[ApisixTls]:
        for index, tls in enumerate(self._item.spec.tls):
            path: FieldPath = ("spec", "tls", index)
            if tls.secret_name is None:
                continue
            hosts = tls.hosts or tuple(rule.host for rule in self._item.spec.rules if rule.host)
            if not hosts:
                self._note(NOT_HONOURED, "it is not said which hosts the certificate is for", path, "add hosts")
                continue
            secret = SecretReference.model_construct(name=tls.secret_name, namespace=self._item.namespace)
            spec = ApisixTlsSpec.model_construct(hosts=hosts, secret=secret)
            made = ApisixTls.model_construct(kind="ApisixTls", metadata=self._item.metadata, spec=spec)
            places: dict[FieldPath, FieldPath] = {("spec", "secret"): (*path, "secretName"), ("spec",): path}
            places |= {("spec", "hosts", at): (*path, "hosts", at) for at in range(len(tls.hosts))}
            yield made.attach(self._make_manifest("ApisixTls", f"ingress/{self._item.name}/{index}", places))

    def _make_manifest(self, kind: str, name: str, places: dict[FieldPath, FieldPath]) -> IngressManifest:
        written = self._item.manifest
        # No object can have a name with a slash.
        ref = ObjectRef(APISIX_GROUP, kind, written.namespace, name)
        return IngressManifest(
            f"{APISIX_GROUP}/v2", ref, written.value, written.tree, source=written.ref, places=places
        )

    def _note(self, rule: Rule, text: str, path: FieldPath, hint: str = "") -> None:
        item = self._item
        self._report.add(rule, text, item.span(path), path=path, object=item.ref, hint=hint)


def _make_match(paths: Sequence[str], host: str | None, exprs: tuple[Expression, ...] = ()) -> routes.RouteMatch:
    return routes.RouteMatch.model_construct(paths=tuple(paths), hosts=(host,) if host else (), exprs=exprs)


def _annotation(name: str) -> FieldPath:
    return ("metadata", "annotations", PREFIX + name)
