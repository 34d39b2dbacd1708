"""What a rule does with a request, as Envoy's route actions.

Reference: envoy/config/route/v3/route_components.proto (RouteAction, WeightedCluster, RedirectAction,
DirectResponseAction).
"""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType
from typing import Any, NamedTuple

from anygate.envoy.api import bool_value, uint32
from anygate.envoy.edits import build_header_fields, build_path_rewrite, then
from anygate.envoy.filters.hidden_headers import without_hidden
from anygate.envoy.filters.secrets import build_formatters
from anygate.envoy.inference_actions import (
    adjust_retry,
    build_choice,
    cluster_of,
    failover,
    forwarding_fields,
    has_priorities,
    refusing_long_bodies,
)
from anygate.envoy.mcp.gateway import build_mcp_fields
from anygate.envoy.names import UNRESOLVED, stage_name
from anygate.envoy.quotas import without_exhausted
from anygate.envoy.refusal import CannotBuild
from anygate.envoy.retries import build_retry, build_times
from anygate.envoy.stages import send_on
from anygate.envoy.texts import literal, render_text
from anygate.model.edit import Redirect, Respond, Rewrite
from anygate.model.match import PathMatch
from anygate.model.mcp import Mcp
from anygate.model.route import BackendTarget, Continue, Forward, HashPolicy, HttpRule, Mirror

_ROUTE = "envoy.config.route.v3."
_MILLION = 1_000_000
_TOTAL_WEIGHT = 2**32 - 1
_FAULT = 500
_TOO_MANY = 429
_WELL_KNOWN = {"http": 80, "https": 443}
_REDIRECTS = {
    301: "MOVED_PERMANENTLY",
    302: "FOUND",
    303: "SEE_OTHER",
    307: "TEMPORARY_REDIRECT",
    308: "PERMANENT_REDIRECT",
}
_HOSTS = {"host_rewrite_literal", "host_rewrite_header", "auto_host_rewrite"}
_WITH_PORT = {"name": ":authority", "string_match": {"safe_regex": {"regex": r".*:[0-9]+"}}}


class Way(NamedTuple):
    """How requests reach a rule: what a client sees as scheme and port, and where it finds ports that were moved."""

    scheme: str
    port: int
    moved: tuple[tuple[int, int], ...] = ()

    def visible(self, port: int) -> int:
        """The port at which a client finds what the manifests call `port`."""
        return dict(self.moved).get(port, port)


class Variant(NamedTuple):
    """The fields of a Route that say what it does, for those requests that hold to `narrower` match fields too.

    `settings` are for filters, besides those of the rule; None takes back one of those.
    """

    fields: dict[str, Any]
    narrower: dict[str, Any]
    body_size: int = 0
    settings: Mapping[str, Any] = MappingProxyType({})


def build_variants(rule: HttpRule, path: PathMatch | None, way: Way) -> list[Variant]:
    """Build what a rule does; the last variant takes every request that the ones before it left."""
    rule = without_hidden(rule)
    found: list[Variant] = []
    for narrower, left in without_exhausted(rule):
        made = _build_variants(left, path, way) if left else [Variant({"direct_response": {"status": _TOO_MANY}}, {})]
        found += [one._replace(narrower={**one.narrower, **narrower}) for one in made]
    return found + _build_variants(rule, path, way)


def _build_variants(rule: HttpRule, path: PathMatch | None, way: Way) -> list[Variant]:
    if isinstance(rule.action, Respond):
        return [_responding(rule, rule.action)]
    if isinstance(rule.action, Redirect):
        return _redirecting(rule, rule.action, path, way)
    if isinstance(rule.action, Continue):
        onward, target = send_on(rule, rule.action)
        return [Variant(_forwarding(onward, (target,), path), {})]
    if rule.mcp is not None:
        return [_forwarding_mcp(rule, rule.mcp, rule.action.targets)]
    targets = tuple(target for target in rule.action.targets if target.weight > 0)
    if not any(target.backend or target.redirect for target in targets):
        return [failing()]
    chosen = has_priorities(rule, targets)
    if len(targets) > 1 and not chosen and any(_stands_alone(target, rule) for target in targets):
        return _split(rule, rule.action, targets, path, way)
    if targets[0].redirect is not None:
        return _redirecting(rule, targets[0].redirect, path, way)
    forwarding = Variant(_forwarding(rule, targets, path), {})
    refusing = refusing_long_bodies(rule)
    return [Variant(*refusing), forwarding] if refusing else [forwarding]


def failing() -> Variant:
    """Build the answer to requests whose rule cannot be carried out."""
    return Variant({"direct_response": {"status": _FAULT}}, {})


def _responding(rule: HttpRule, respond: Respond) -> Variant:
    answer: dict[str, Any] = {"status": respond.status}
    if respond.text is not None:
        source = {"inline_string": render_text(respond.text)}
        formatters = build_formatters(respond.text.secrets)
        answer["body_format"] = {"text_format_source": source, "omit_empty_values": True, "formatters": formatters}
    elif respond.body:
        answer["body"] = {"inline_string": respond.body}
    fields: dict[str, Any] = {"direct_response": answer, **_rule_edits(rule)}
    if respond.content_type:
        fields["response_headers_to_add"] = [
            {
                "header": {"key": "content-type", "value": literal(respond.content_type)},
                "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
            },
            *fields.get("response_headers_to_add", ()),
        ]
    return Variant(fields, {}, len(respond.body.encode()))


def _rule_edits(rule: HttpRule) -> dict[str, Any]:
    return {
        **build_header_fields(rule.request_headers, "request", rule.origin),
        **build_header_fields(rule.response_headers, "response", rule.origin),
    }


def _redirecting(rule: HttpRule, redirect: Redirect, path: PathMatch | None, way: Way) -> list[Variant]:
    """Build a redirect with the port that the Gateway API's HTTPRequestRedirectFilter asks for.

    Envoy keeps the port of the request's own host unless it is given one, and shows a port it is given even where
    the scheme implies it. A host that carries a port is therefore matched first where another port has to be shown.
    """
    if redirect.status not in _REDIRECTS:
        raise CannotBuild(redirect.origin, f"Envoy has no redirect with status {redirect.status}")
    scheme = redirect.scheme or way.scheme
    port = redirect.port or (_WELL_KNOWN.get(redirect.scheme, way.port) if redirect.scheme else way.port)
    if not redirect.host:
        port = way.visible(port)
    implied = port == _WELL_KNOWN.get(scheme)
    rewritten = build_path_rewrite(redirect.path, path, redirect.origin)
    if redirect.path is not None and redirect.path.kind == "full":
        rewritten = {"path_redirect": redirect.path.value}
    fields = {
        "scheme_redirect": redirect.scheme or None,
        "host_redirect": redirect.host or None,
        "response_code": _REDIRECTS[redirect.status],
        "strip_query": redirect.drop_query or None,
        **rewritten,
    }
    edits = _rule_edits(rule)
    shown = Variant({"redirect": {**fields, "port_redirect": port}, **edits}, {})
    silent = Variant({"redirect": fields, **edits}, {})
    if redirect.keep_host:
        return [silent]
    if not implied:
        return [shown]
    if redirect.host or not (redirect.scheme or redirect.port):
        return [silent]
    return [shown._replace(narrower={"headers": [_WITH_PORT]}), silent]


def _stands_alone(target: BackendTarget, rule: HttpRule) -> bool:
    """Whether a target needs a Route of its own, because ClusterWeight has no field for what it changes.

    ClusterWeight has one for the host, but Envoy lets a host rewrite of the Route win over it.
    """
    rewrite = target.rewrite
    if rewrite is None:
        return bool(target.redirect or target.mirrors)
    beyond_host = rewrite.path or rewrite.host_header or rewrite.host_from_backend
    both = rewrite.host and rule.rewrite is not None and _host_rewrite(rule.rewrite)
    return bool(beyond_host or both or target.redirect or target.mirrors)


def _split(
    rule: HttpRule, forward: Forward, targets: tuple[BackendTarget, ...], path: PathMatch | None, way: Way
) -> list[Variant]:
    """Build one Route for each target, chosen by fraction.

    Envoy draws one random number for a request and compares it with the fraction of every Route it tries, so
    cumulative fractions share requests out exactly.
    """
    total = sum(target.weight for target in targets)
    variants: list[Variant] = []
    taken = 0
    for target in targets:
        taken += target.weight
        narrower = {} if taken == total else {"runtime_fraction": _fraction(Fraction(taken, total))}
        if target.redirect is not None:
            made = _redirecting(rule, target.redirect, path, way)
        elif target.backend:
            made = [Variant(_forwarding(rule, (target,), path), {})]
        else:
            made = [failing()]
        variants.extend(each._replace(narrower={**each.narrower, **narrower}) for each in made)
    return variants


def _fraction(share: Fraction) -> dict[str, Any]:
    return {"default_value": {"numerator": round(share * _MILLION), "denominator": "MILLION"}}


def _forwarding(rule: HttpRule, targets: tuple[BackendTarget, ...], path: PathMatch | None) -> dict[str, Any]:
    """Build the Route fields that send a request on, for targets that may share one Route."""
    alone = targets[0] if len(targets) == 1 else None
    mirrors = (*rule.mirrors, *(alone.mirrors if alone else ()))
    action: dict[str, Any] = {
        "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
        "request_mirror_policies": [build_mirror(mirror) for mirror in mirrors if mirror.backend],
        "hash_policy": [build_hash_policy(policy) for policy in rule.hash_policies],
        "upgrade_configs": build_upgrades(rule.upgrades),
        **build_times(rule.timeouts),
        **_build_rewrites(rule, alone.rewrite if alone else None, path),
    }
    retry = failover(rule, targets)
    if retry is not None or rule.timeouts.attempt is not None or rule.timeouts.attempt_idle is not None:
        policy = build_retry(retry, rule.timeouts)
        action["retry_policy"] = adjust_retry(policy, targets) if rule.inference and retry else policy
    if rule.inference and not action.keys() & _HOSTS:
        action["auto_host_rewrite"] = bool_value(True)  # a provider knows itself by its own name only
    if has_priorities(rule, targets):
        action.update(build_choice(targets, retry))
        edits = _rule_edits(rule)
    elif alone is not None:
        action["cluster"] = cluster_of(alone)
        edits = _target_edits(rule, alone)
    elif any(target.request_headers or target.response_headers for target in targets):
        # Envoy makes a ClusterWeight's edits first, the Route's after them, but a target's have to hold.
        action["weighted_clusters"] = {"clusters": _build_weights(targets, rule), **_draw(rule)}
        edits = {}
    else:
        action["weighted_clusters"] = {"clusters": _build_weights(targets, None), **_draw(rule)}
        edits = _rule_edits(rule)
    return {"route": action, **edits, **forwarding_fields(rule)}


def _forwarding_mcp(rule: HttpRule, mcp: Mcp, targets: tuple[BackendTarget, ...]) -> Variant:
    action = {
        "cluster_not_found_response_code": "INTERNAL_SERVER_ERROR",
        "upgrade_configs": build_upgrades(rule.upgrades),
        **build_times(rule.timeouts),
    }
    return Variant(build_mcp_fields(rule, mcp, targets, action), {})


def _target_edits(rule: HttpRule, target: BackendTarget) -> dict[str, Any]:
    """Build the rule's edits followed by the target's."""
    return {
        **build_header_fields(then(rule.request_headers, target.request_headers), "request", target.origin),
        **build_header_fields(then(rule.response_headers, target.response_headers), "response", target.origin),
    }


def _build_weights(targets: tuple[BackendTarget, ...], rule: HttpRule | None) -> list[dict[str, Any]]:
    """Build the ClusterWeights, with all header edits where a rule is given."""
    # Envoy refuses weights whose sum is beyond 32 bits.
    scale = max(1, -(-sum(target.weight for target in targets) // _TOTAL_WEIGHT))
    return [
        {
            "name": cluster_of(target) or UNRESOLVED,
            "weight": uint32(max(1, target.weight // scale)),
            "host_rewrite_literal": (target.rewrite.host or None) if target.rewrite else None,
            **(_target_edits(rule, target) if rule else {}),
        }
        for target in targets
    ]


def _draw(rule: HttpRule) -> dict[str, Any]:
    """Build how a target is chosen: by chance, unless the rule hashes.

    Tried on Envoy 1.40: a target is chosen with the route, so headers that filters add have no part in it.
    """
    return {"use_hash_policy": bool_value(True)} if rule.hashes_targets and rule.hash_policies else {}


def _build_rewrites(rule: HttpRule, second: Rewrite | None, path: PathMatch | None) -> dict[str, Any]:
    """Build the rewrites of a rule and of its target, which holds where both say something."""
    hosts: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for rewrite in (rule.rewrite, second):
        if rewrite is not None:
            hosts = _host_rewrite(rewrite) or hosts
            paths = build_path_rewrite(rewrite.path, path, rule.origin) or paths
    return {**hosts, **paths}


def _host_rewrite(rewrite: Rewrite) -> dict[str, Any]:
    if rewrite.host:
        return {"host_rewrite_literal": rewrite.host}
    if rewrite.host_header:
        return {"host_rewrite_header": rewrite.host_header}
    return {"auto_host_rewrite": bool_value(True)} if rewrite.host_from_backend else {}


def build_mirror(mirror: Mirror) -> dict[str, Any]:
    """Build a RequestMirrorPolicy. The copy keeps the host, to which Envoy would append `-shadow`."""
    share = min(mirror.share, Fraction(1))
    return {
        "cluster": stage_name(mirror.stage) if mirror.stage else mirror.backend,
        "runtime_fraction": None if share == 1 else _fraction(share),
        "disable_shadow_host_suffix_append": True,
    }


def build_hash_policy(policy: HashPolicy) -> dict[str, Any]:
    """Build a HashPolicy. A cookie with a lifetime is made by Envoy for clients that have none."""
    if policy.kind == "source_ip":
        return {"connection_properties": {"source_ip": True}}
    if policy.kind == "header":
        return {"header": {"header_name": policy.name}}
    if policy.kind == "query":
        return {"query_parameter": {"name": policy.name}}
    attributes = dict(policy.attributes)
    path = next((attributes.pop(key) for key in list(attributes) if key.lower() == "path"), None)
    return {
        "cookie": {
            "name": policy.name,
            "ttl": policy.ttl,
            "path": path,
            "attributes": [{"name": name, "value": value} for name, value in attributes.items()],
        }
    }


def build_upgrades(upgrades: tuple[str, ...]) -> list[dict[str, Any]]:
    """Build the upgrades of one RouteAction where they differ from `websocket`, which every server allows."""
    made: list[dict[str, Any]] = [{"upgrade_type": name} for name in upgrades if name != "websocket"]
    if "websocket" not in upgrades:
        made.append({"upgrade_type": "websocket", "enabled": bool_value(False)})
    return made
