"""Health checks of upstreams."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from anygate.diagnostics import FieldPath
from anygate.dialects.apisix.context import Context
from anygate.dialects.apisix.findings import APPROXIMATED, NOT_HONOURED
from anygate.dialects.apisix.kinds.health import ActiveCheck as WrittenActive
from anygate.dialects.apisix.kinds.health import PassiveCheck as WrittenPassive
from anygate.manifests.kind import Kind
from anygate.model.backend import ActiveCheck, HttpCheck, PassiveCheck

_STATUSES = range(200, 600)
_NAME = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)


def read_active(
    context: Context, item: Kind, check: WrittenActive, path: FieldPath, secure: bool
) -> ActiveCheck | None:
    """The probes. An answer that is in neither list changes nothing in APISIX; here it counts as healthy."""
    fields = check.model_fields_set
    if "concurrency" in fields:
        text = "Envoy decides by itself how many nodes it probes at a time"
        context.note(NOT_HONOURED, text, item, (*path, "concurrency"))
    if check.type != "tcp" and (check.type == "https") != secure:
        text = f"nodes are probed by {'https' if secure else 'http'}, like requests"
        context.note(NOT_HONOURED, text, item, (*path, "type"))
    if "strict_tls" in fields and check.strict_tls:
        context.note(NOT_HONOURED, "certificates of nodes are not verified", item, (*path, "strictTLS"))
    failures = check.unhealthy.tcp_failures if check.type == "tcp" else check.unhealthy.http_failures
    if not failures or not check.healthy.successes:
        text = "with a count of 0 no node ever changes its state, so none is probed"
        context.note(APPROXIMATED, text, item, path)
        return None
    if "timeout" in check.unhealthy.model_fields_set:
        text = "a probe that times out counts as one that failed"
        context.note(APPROXIMATED, text, item, (*path, "unhealthy", "timeout"))
    http = None
    if check.type != "tcp":
        bad = set(check.unhealthy.http_codes) - set(check.healthy.http_codes)
        statuses = tuple(one for one in _STATUSES if one not in bad)
        headers = tuple(_read_headers(context, item, check.request_headers, (*path, "requestHeaders")))
        http = HttpCheck(path=check.http_path, host=check.host or "", statuses=statuses, headers=headers)
    return ActiveCheck(
        kind="tcp" if http is None else "http",
        http=http,
        timeout=timedelta(microseconds=check.timeout // 1000) or timedelta(seconds=1),
        interval=check.healthy.interval,
        unhealthy_interval=check.unhealthy.interval,
        unhealthy_threshold=failures,
        healthy_threshold=check.healthy.successes,
        port=check.port or 0,
    )


def _read_headers(context: Context, item: Kind, written: Sequence[str], path: FieldPath) -> Iterator[tuple[str, str]]:
    """The headers of probes, each written as it is sent."""
    for number, text in enumerate(written):
        name, colon, value = (part.strip() for part in text.partition(":"))
        if colon and _NAME.fullmatch(name) and name.lower() != "host":
            yield name, value
        else:
            wrong = "it is left out: a header is written `Name: value`, and the host stands in `host`"
            context.note(NOT_HONOURED, wrong, item, (*path, number))


def read_passive(context: Context, item: Kind, check: WrittenPassive, path: FieldPath) -> PassiveCheck:
    """What answers tell about nodes; Envoy counts all statuses from 500 on, and takes nodes back after a while."""
    own: dict[str, Any] = {"unhealthy": check.unhealthy, "healthy": check.healthy}
    for name, part in own.items():
        if "http_codes" in part.model_fields_set:
            text = "every status from 500 on counts as a failure, any other as a success"
            context.note(APPROXIMATED, text, item, (*path, name, "httpCodes"))
    if "successes" in check.healthy.model_fields_set:
        text = "a node is taken back after a time, not after successes"
        context.note(APPROXIMATED, text, item, (*path, "healthy", "successes"))
    if "timeout" in check.unhealthy.model_fields_set:
        text = "a request that times out counts as one whose connection failed"
        context.note(APPROXIMATED, text, item, (*path, "unhealthy", "timeout"))
    return PassiveCheck(
        consecutive_5xx=check.unhealthy.http_failures or None,
        consecutive_local_failures=check.unhealthy.tcp_failures or None,
        split_local_errors=True,
        max_ejection_percent=100,
    )
