"""One backend made of the several that a rule names, where Envoy's weighted clusters would not do.

Session persistence must beat weights (GEP-1619), and fallback backends wait until the others fail; both need the
endpoints in one cluster, with the weights on its localities.
"""

import msgspec

from anygate.diagnostics import FieldPath
from anygate.dialects.gateway_api.context import Context
from anygate.dialects.gateway_api.findings import NOT_HONOURED
from anygate.dialects.joining import join_backends
from anygate.manifests.object import Manifest
from anygate.model.backend import Backend
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
        text = f"{why} has no effect on a rule whose backends differ in protocol, TLS or provider"
        context.add(NOT_HONOURED, text, manifest, path)
        return msgspec.structs.replace(rule, session=None)
    name = f"rule/{manifest.kind}/{manifest.namespace}/{manifest.name}/{rule.name}"
    label = known[usable[0].backend].name.partition("@")[2]
    name += (f"@{label}" if label else "") + (suffix if not label else "")
    if name not in known:
        shares = [(known[one.backend], one.weight) for one in usable]
        known[name] = join_backends(name, shares, sticky=rule.session is not None)
    weight = sum(one.weight for one in usable)
    joined = msgspec.structs.replace(usable[0], backend=name, weight=weight)
    refused = tuple(one for one in action.targets if not one.backend)
    return msgspec.structs.replace(rule, action=msgspec.structs.replace(action, targets=(joined, *refused)))


def _has_edits(target: BackendTarget) -> bool:
    return bool(
        target.request_headers or target.response_headers or target.rewrite or target.redirect or target.mirrors
    )


def _trait(backend: Backend) -> tuple[object, ...]:
    provider = backend.provider.name if backend.provider is not None else ""
    return (backend.protocol, backend.tls, backend.dynamic, provider)
