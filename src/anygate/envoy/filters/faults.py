"""Faults on purpose: delays and aborted requests for a share of the traffic."""

from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message

from anygate.envoy.api import build
from anygate.envoy.filters.filter import NO_SCOPE, ChainEntry, Scope
from anygate.model.limits import Faults
from anygate.model.listener import Server
from anygate.model.route import HttpRule

NAME = "envoy.filters.http.fault"
FAULT = "envoy.extensions.filters.http.fault.v3.HTTPFault"


class FaultFilter:
    """One entry, with the faults on each route that has some.

    https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter
    """

    def chain(self, server: Server, rules: Sequence[HttpRule]) -> list[ChainEntry]:
        """Return the entry where a rule injects faults."""
        del server
        if not any(rule.faults for rule in rules):
            return []
        return [ChainEntry(NAME, build(FAULT), disabled=True, inert=True)]

    def route(self, rule: HttpRule, scope: Scope = NO_SCOPE) -> dict[str, Message]:
        """Return the route's faults."""
        del scope
        return {NAME: build_faults(rule.faults)} if rule.faults else {}


def build_faults(faults: Faults) -> Any:
    """Return the `HTTPFault`. With both a gRPC and an HTTP status the gRPC one is used, as it says more."""
    delay = abort = None
    if faults.delay:
        delay = {"fixed_delay": faults.delay, "percentage": percentage(faults.delay_percent)}
    if faults.grpc_status is not None:
        abort = {"grpc_status": faults.grpc_status, "percentage": percentage(faults.abort_percent)}
    elif faults.abort_status is not None:
        abort = {"http_status": faults.abort_status, "percentage": percentage(faults.abort_percent)}
    return build(FAULT, delay=delay, abort=abort)


def percentage(percent: float) -> Any:
    """Return a `FractionalPercent`, exact to 0.0001."""
    return build(
        "envoy.type.v3.FractionalPercent",
        numerator=round(min(max(percent, 0.0), 100.0) * 10_000),
        denominator="MILLION",
    )
