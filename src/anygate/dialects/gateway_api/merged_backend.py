"""One backend made of the several that a rule names, where Envoy's weighted clusters would not do.

Session persistence must beat weights (GEP-1619), and fallback backends wait until the others fail; both need the
endpoints in one cluster, with the weights on its localities.
"""

from math import lcm

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.context import Context
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.manifests.object import Manifest
from anygate.model.backend import Backend, EndpointGroup
from anygate.model.route import BackendTarget, Forward, HttpRule


def merge_targets(context: Context, rule: HttpRule, manifest: Manifest, path: FieldPath, suffix: str = "") -> HttpRule:
    """A rule whose targets are joined into one backend if it has a session or fallback backends.

    `suffix` sets the joined backend of one Gateway apart from that of another.
    """
    action = rule.action
    if not isinstance(action, Forward):
        return rule
    known = context.backends
    usable = tuple(one for one in action.targets if one.backend)
    fallback = any(known[one.backend].fallback for one in usable) and len(usable) > 1
    if not usable or (rule.session is None and not fallback):
        return rule
    why = "session persistence" if rule.session is not None else "fallback"
    if len(usable) > 1 and any(_has_edits(one) for one in usable):
        text = f"{why} has no effect on a rule whose backends have filters of their own"
        context.add(NOT_HONOURED, text, manifest, path)
        return msgspec.structs.replace(rule, session=None)
    if len({_trait(known[one.backend]) for one in usable}) > 1:
        text = f"{why} has no effect on a rule whose backends differ in protocol or TLS"
        context.add(NOT_HONOURED, text, manifest, path)
        return msgspec.structs.replace(rule, session=None)
    name = f"rule/{manifest.kind}/{manifest.namespace}/{manifest.name}/{rule.name}"
    label = known[usable[0].backend].name.partition("@")[2]
    name += (f"@{label}" if label else "") + (suffix if not label else "")
    if name not in known:
        known[name] = _join(name, usable, known, rule)
    weight = sum(one.weight for one in usable)
    joined = msgspec.structs.replace(usable[0], backend=name, weight=weight)
    refused = tuple(one for one in action.targets if not one.backend)
    return msgspec.structs.replace(rule, action=msgspec.structs.replace(action, targets=(joined, *refused)))


def _has_edits(target: BackendTarget) -> bool:
    return bool(
        target.request_headers or target.response_headers or target.rewrite or target.redirect or target.mirrors
    )


def _trait(backend: Backend) -> tuple[object, ...]:
    return (backend.protocol, backend.tls, backend.dynamic)


def _join(name: str, targets: tuple[BackendTarget, ...], known: dict[str, Backend], rule: HttpRule) -> Backend:
    first = known[targets[0].backend]
    sizes = [max(1, sum(group.weight for group in known[target.backend].groups)) for target in targets]
    whole = lcm(*sizes)
    groups = []
    for number, (target, size) in enumerate(zip(targets, sizes, strict=True)):
        backend = known[target.backend]
        # A target without endpoints keeps its place and weight, for a stub may stand in for it.
        for group in backend.groups or (EndpointGroup(),):
            # A locality is a target's zone here, so its name carries the target's number to keep two apart.
            groups.append(
                msgspec.structs.replace(
                    group,
                    zone=f"{number}/{group.zone}",
                    weight=target.weight * group.weight * (whole // size),
                    priority=1 if backend.fallback else 0,
                )
            )
    return msgspec.structs.replace(
        first,
        name=name,
        service=first.service,
        groups=tuple(groups),
        members=tuple(target.backend for target in targets),
        sticky=rule.session is not None,
        fallback=False,
    )
