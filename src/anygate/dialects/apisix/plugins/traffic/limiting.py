"""What the plugins for limits share: whose counter a request takes from, and what a refused client is told."""

import json
from typing import Any, Literal

import msgspec
from pydantic import Field

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.findings import NOT_HONOURED, PLUGIN_CONFIG
from anygate.dialects.apisix.plugins.config import Config
from anygate.dialects.apisix.plugins.nginx_pages import CONTENT_TYPE, render_page
from anygate.dialects.apisix.plugins.plugin import Refusal, Surroundings
from anygate.dialects.apisix.plugins.values import Answerable
from anygate.dialects.apisix.plugins.variable_findings import VARIABLE
from anygate.dialects.apisix.plugins.variables import find_variable, read_text
from anygate.manifests.fields import Many, SensitiveText
from anygate.model.limits import LimitAnswer, LimitRule, LimitSelector, RateLimit
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.text import Text, Variable
from anygate.model.wording import PLAIN_TEXT

_ELSEWHERE = (
    *("redis_host", "redis_port", "redis_username", "redis_password", "redis_database", "redis_timeout", "redis_ssl"),
    *("redis_ssl_verify", "redis_cluster_nodes", "redis_cluster_name", "redis_cluster_ssl"),
    *("redis_cluster_ssl_verify", "redis_keepalive_timeout", "redis_keepalive_pool", "key_ttl"),
)


class Limiting(Config):
    """The fields that all of them have."""

    key: str = Field(default="remote_addr", min_length=1)
    key_type: Literal["var", "var_combination", "constant"] = "var"
    rejected_code: Answerable = 503
    rejected_msg: str | None = Field(default=None, min_length=1)
    policy: Literal["local", "redis", "redis-cluster", "redis-sentinel"] = "local"
    allow_degradation: bool = False
    redis_host: str | None = None
    redis_port: int | None = None
    redis_username: str | None = None
    redis_password: SensitiveText | None = None
    redis_database: int | None = None
    redis_timeout: int | None = None
    redis_ssl: bool | None = None
    redis_ssl_verify: bool | None = None
    redis_cluster_nodes: Many[str] | None = None
    redis_cluster_name: str | None = None
    redis_cluster_ssl: bool | None = None
    redis_cluster_ssl_verify: bool | None = None
    redis_keepalive_timeout: int | None = None
    redis_keepalive_pool: int | None = None
    key_ttl: int | None = None


def note_elsewhere(config: Limiting, surroundings: Surroundings) -> None:
    """Say that where counters are is a matter of the service, not of a route."""
    if config.policy != "local":
        text = "the counters are those of the rate-limit service, not of a Redis that a route names"
        surroundings.note(NOT_HONOURED, text, ("policy",), "run with --ratelimit redis://...")
        return
    for name in _ELSEWHERE:
        if getattr(config, name) is not None:
            surroundings.note(NOT_HONOURED, f"{name} has no effect with policy {config.policy}", (name,))


def read_selector(key: str, kind: str, surroundings: Surroundings, path: FieldPath = ("key",)) -> LimitSelector:
    """Whose counter it is: each value of a variable or of a text, or one for all. A key that nothing tells counts each
    client apart, as an empty one does in APISIX."""
    if kind == "constant":
        return LimitSelector(distinct_text=Text(parts=(key,)))
    if kind == "var_combination":
        text = read_text(key, surroundings, path)
        return LimitSelector(distinct_text=text) if isinstance(text, Text) else LimitSelector(distinct_addresses=True)
    variable = find_variable(key)
    if variable is None:
        surroundings.note(VARIABLE, f"nothing tells {key} here, so each client is counted apart", path)
    if variable is None or variable == Variable(kind="client_address"):
        return LimitSelector(distinct_addresses=True)
    return LimitSelector(distinct_text=Text(parts=(variable,)))


def read_exclusive_selector(key: str, surroundings: Surroundings, path: FieldPath) -> LimitSelector:
    """Whose counter it is where a request that has nothing of the key is not counted."""
    text = read_text(key, surroundings, path)
    variables = text.variables if isinstance(text, Text) else ()
    if len(variables) == 1 and variables[0].kind == "header":
        return LimitSelector(distinct_headers=(variables[0].name,))
    if len(variables) == 1 and variables[0].kind == "query":
        return LimitSelector(distinct_query=(variables[0].name,))
    return read_selector(key, "var_combination", surroundings, path)


def read_number(written: Any, path: FieldPath) -> int | Refusal:
    """A number; APISIX also takes texts with variables, which no limit here can follow."""
    text = str(written)
    if text.isascii() and text.isdigit() and int(text) > 0 and not isinstance(written, bool):
        return int(text)
    if isinstance(written, str) and "$" in written:
        return Refusal(PLUGIN_CONFIG, f"a limit cannot change with a request, as {written} does", "", path)
    return Refusal(PLUGIN_CONFIG, "expected a whole number above zero", "", path)


def read_answer(config: Limiting, headers: tuple[str, str, str] | None = None, *, page: bool = True) -> LimitAnswer:
    """What a refused client is told: the message, JSON that is called plain text, or else nginx's `page`."""
    body, kind = (render_page(config.rejected_code) if page else ""), CONTENT_TYPE
    if config.rejected_msg is not None:
        words = {"error_msg": config.rejected_msg}
        body, kind = json.dumps(words, ensure_ascii=False, separators=(",", ":")) + "\n", PLAIN_TEXT
    return LimitAnswer(status=config.rejected_code, body=body, content_type=kind if body else "", headers=headers)


def make_limit(config: Limiting, selector: LimitSelector, surroundings: Surroundings, **fields: Any) -> LimitRule:
    """A limit of the rate-limit service. One of a global rule has one counter for all routes."""
    known: dict[str, Any] = {
        "origin": surroundings.origin,
        "scope": "global",
        "selectors": (selector,),
        "headers": False,
        "fail_closed": not config.allow_degradation,
        "shared": surroundings.origin.kind == "ApisixGlobalRule",
    }
    return LimitRule(**{**known, **fields})


def add_limits(rule: HttpRule, origin: Origin, *limits: LimitRule) -> HttpRule:
    """The rule with more limits."""
    known = rule.rate_limit.rules if rule.rate_limit else ()
    return msgspec.structs.replace(rule, rate_limit=RateLimit(origin=origin, rules=(*known, *limits)))
