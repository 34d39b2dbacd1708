"""The HTTP filters, in the one order in which requests pass them.

Answers pass them in the opposite order. All filters see an answer that one of them gives itself, but each
knows only what it learnt when the request passed it.
"""

from typing import NamedTuple

from anygate.envoy.filters.admission import AdmissionFilter
from anygate.envoy.filters.answers import AnswersFilter
from anygate.envoy.filters.api_key import ApiKeyFilter
from anygate.envoy.filters.authorization import AuthorizationFilter
from anygate.envoy.filters.basic_auth import BasicAuthFilter
from anygate.envoy.filters.body_reading import BodyReadingFilter
from anygate.envoy.filters.breaker import BreakerFilter
from anygate.envoy.filters.buffer import BufferFilter
from anygate.envoy.filters.cache import CacheFilter
from anygate.envoy.filters.caller import CallerFilter
from anygate.envoy.filters.checks import ChecksFilter
from anygate.envoy.filters.compression import CompressionFilter
from anygate.envoy.filters.cors import CorsFilter
from anygate.envoy.filters.cors_headers import CorsHeadersFilter
from anygate.envoy.filters.credential import CredentialFilter
from anygate.envoy.filters.decompression import DecompressionFilter
from anygate.envoy.filters.ext_auth import ExtAuthFilter
from anygate.envoy.filters.faults import FaultFilter
from anygate.envoy.filters.filter import ChainEntry, HttpFilter, Scope
from anygate.envoy.filters.forward_auth import ForwardAuthFilter
from anygate.envoy.filters.global_rate_limit import GlobalRateLimitFilter
from anygate.envoy.filters.handover import HandoverFilter
from anygate.envoy.filters.health_check import HealthCheck
from anygate.envoy.filters.hidden_headers import HiddenHeadersFilter
from anygate.envoy.filters.introspection import IntrospectionFilter
from anygate.envoy.filters.jwt import JwtFilter
from anygate.envoy.filters.limit_body import LimitBodyFilter
from anygate.envoy.filters.local_rate_limit import LocalRateLimitFilter
from anygate.envoy.filters.login import LoginFilter
from anygate.envoy.filters.mcp import McpChallengeFilter, McpReadingFilter
from anygate.envoy.filters.model_reading import ModelReadingFilter
from anygate.envoy.filters.oidc import OidcFilter
from anygate.envoy.filters.prompts import PromptsFilter
from anygate.envoy.filters.request_id import RequestIdFilter
from anygate.envoy.filters.request_line import RequestLineFilter
from anygate.envoy.filters.session import SessionFilter
from anygate.envoy.filters.session_age import SessionAgeFilter
from anygate.envoy.filters.stream_start import StreamStartFilter
from anygate.envoy.filters.usage import UsageFilter
from anygate.envoy.filters.wasm import WasmFilter
from anygate.envoy.refusal import CannotBuild

__all__ = ["FILTERS", "NOT_CARRIED", "ORDER", "CannotBuild", "ChainEntry", "HttpFilter", "Row", "Scope"]


class Row(NamedTuple):
    """One filter and why it stands where it stands."""

    filter: HttpFilter
    reason: str


ORDER = (
    Row(
        HealthCheck(),
        "load balancers have no credentials and no route, and must see us whatever the routes do",
    ),
    Row(RequestIdFilter(), "every answer should have the id, and every filter may want it"),
    Row(CompressionFilter(), "compresses what all others, even those that refuse, have made of an answer"),
    Row(AnswersFilter(), "changes answers whoever gives them, before they are compressed"),
    Row(DecompressionFilter(), "the model of an AI request can only be read from a body that is not compressed"),
    Row(
        ModelReadingFilter(),
        "which policies hold for an AI request depends on its model, so the model is read before any of them",
    ),
    Row(
        BodyReadingFilter(),
        "which rule takes a request may depend on its body, and all that guards it on the rule",
    ),
    Row(
        CorsFilter(),
        "preflights carry no credentials; refusals of all later filters get the headers to be readable",
    ),
    Row(CorsHeadersFilter(), "as the other: answers to preflights and refusals have to be readable too"),
    Row(McpChallengeFilter(), "sees refusals of whatever checks tokens, and is seen by nothing"),
    Row(BufferFilter(), "before every filter that may wait: what of a body arrives meanwhile is past the limit"),
    Row(FaultFilter(), "an aborted request should cost nothing more, and browsers should see it as it is"),
    Row(AdmissionFilter(), "who may not even ask is not asked for a name, and not sent to log in"),
    Row(ChecksFilter(), "what others check of a caller may overrule the name that is found here"),
    Row(
        ApiKeyFilter(),
        "who is calling comes before all else, and the checks that need no other service come first",
    ),
    Row(BasicAuthFilter(), "as cheap as keys; both look at the request as the client sent it"),
    Row(
        OidcFilter(),
        "before tokens: a login puts its token on the request, which the token check then checks",
    ),
    Row(LoginFilter(), "reads what the login has decrypted, and takes it off before others see it"),
    Row(
        JwtFilter(),
        "the first check that may have to wait; its claims become headers and metadata for later filters",
    ),
    Row(IntrospectionFilter(), "the provider is asked only by requests that a token check of our own let through"),
    Row(CallerFilter(), "says who it is once that is known, for the service that is asked, rules and limits"),
    Row(HandoverFilter(), "whose rule it is depends on who it is; all that follows is a matter of that rule"),
    Row(ExtAuthFilter(), "a call to another service only for requests that every check of our own let through"),
    Row(ForwardAuthFilter(), "as the other, by a script"),
    Row(
        AuthorizationFilter(),
        "what a caller may do needs who it is: claims, and headers that a service added",
    ),
    Row(
        CacheFilter("memory"),
        "gives kept answers only to callers who may ask, and what it gives uses up no limit",
    ),
    Row(PromptsFilter(), "only callers who may ask are read, and a refused prompt uses up no limit"),
    Row(BreakerFilter(), "refuses before a limit is used up, and sees how the backend itself answers"),
    Row(
        LocalRateLimitFilter(),
        "refused callers must not use up what others may send; limits can count by claim",
    ),
    Row(LimitBodyFilter(), "reads for the limits behind it, after those that need no body"),
    Row(
        GlobalRateLimitFilter(),
        "a call to the service only for what the limits of this Envoy let through",
    ),
    Row(CacheFilter("disk"), "as near to the backend as APISIX has it: what it gives counts as asked"),
    Row(WasmFilter(), "code of users, only for requests that every check of our own let through"),
    Row(RequestLineFilter(), "only the backend sees the new line; filters before it look at what the client sent"),
    Row(SessionAgeFilter(), "takes a session that has ended from its request, and sees which one an answer begins"),
    Row(
        SessionFilter(),
        "only requests that go to an endpoint, and after everything that may change the route",
    ),
    Row(McpReadingFilter(), "tells logs about requests that are sent on; it reads their bodies"),
    Row(UsageFilter(), "sees answers first, as the backend gave them, and none that another filter gives"),
    Row(StreamStartFilter(), "sees the events of answers as the backend sent them, beside the count of usage"),
    Row(HiddenHeadersFilter(), "late, so that no other filter sees our secrets on their way to the backend"),
    Row(CredentialFilter(), "last, so that our own credential is seen by no other filter"),
)
"""The table. The router, which ends every chain, is added by the builder of the chain."""

FILTERS: tuple[HttpFilter, ...] = tuple(row.filter for row in ORDER)

NOT_CARRIED = {
    "WasmModule.url": "what stands at a URL is fetched before, and Envoy is given the code",
    "WasmPlugin.engine": "the reader has refused a module that the engine cannot run; the module tells which one can",
    "Oidc.issuer": "Envoy needs the endpoints, which are found from the issuer before",
}
"""Fields of the model that these filters leave out, and what to tell people."""
