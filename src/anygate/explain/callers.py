"""Who sends a request, where it can be told from its credential, and whose rule decides it then."""

import binascii
from base64 import b64decode, b64encode
from hashlib import sha1

import msgspec

from anygate.explain.answer import Step
from anygate.explain.conditions import cookie_values, query_values
from anygate.explain.seen import SeenRequest, is_claim
from anygate.model.listener import HttpServer
from anygate.model.root import Model
from anygate.model.route import HttpRule
from anygate.model.security import ApiKeyAuth, BasicAuth, Security
from anygate.model.tls import Opaque

_BASIC = "Basic "


def describe_claims(seen: SeenRequest, http: HttpServer) -> str:
    """A remark on headers of a request in which only the gateway says who calls; empty where it had none."""
    forged = sorted(name for name in seen.sent if is_claim(name, http))
    return f"taken off, as only the gateway says it: {', '.join(forged)}" if forged else ""


def hand_over(model: Model, rule: HttpRule, seen: SeenRequest) -> tuple[SeenRequest, Step] | None:
    """The request with the mark of its caller's rule; None where the rule that it has met decides it."""
    security = rule.security
    handover = security.handover if security else None
    if security is None or handover is None:
        return None
    name = _find_caller(model, security, seen)
    mark = dict(handover.rules).get(name)
    if mark is None:
        return None
    headers = {**seen.headers, handover.header: (name,), handover.mark: (mark,)}
    text = "known by the credential, and decided by a rule of its own"
    return seen._replace(headers=headers), Step(kind="caller", name=name, place=handover.origin.place, text=text)


def _find_caller(model: Model, security: Security, seen: SeenRequest) -> str:
    """The name of the caller; empty where the credential is not there, is not good, or has to be checked elsewhere."""
    secrets = {one.name: one.value.reveal() for one in model.secrets if isinstance(one, Opaque)}
    if security.api_key is not None:
        return _find_client(security.api_key, secrets, seen)
    caller = security.caller
    if caller is None or caller.tokens:
        return ""
    if security.basic is None:
        return caller.name
    user = _find_user(security.basic, secrets, seen)
    return dict(caller.users).get(user, caller.name) if user else ""


def _find_client(auth: ApiKeyAuth, secrets: dict[str, bytes], seen: SeenRequest) -> str:
    cookies = cookie_values(seen.headers.get("cookie", ()))
    given = [value for name in auth.headers for value in seen.headers.get(name.lower(), ())[:1]]
    given += [value for name in auth.query for value in query_values(seen.query, name)[:1]]
    given += [cookies[name] for name in auth.cookies if name in cookies]
    known: dict[str, str] = {}
    for name in auth.secrets:
        clients = msgspec.json.decode(secrets.get(name, b"{}"), type=dict[str, str])
        known.update((key, client) for client, key in clients.items())
    return known.get(given[0].removeprefix("Bearer "), "") if given else ""


def _find_user(auth: BasicAuth, secrets: dict[str, bytes], seen: SeenRequest) -> str:
    values = seen.headers.get("authorization", ())
    if not values or not values[0].startswith(_BASIC):
        return ""
    try:
        user, _, password = b64decode(values[0].removeprefix(_BASIC), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return ""
    hashed = b"{SHA}" + b64encode(sha1(password, usedforsecurity=False).digest())
    return user.decode(errors="replace") if user + b":" + hashed in secrets.get(auth.secret, b"").splitlines() else ""
