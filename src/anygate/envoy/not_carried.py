"""Fields of the model that the builder leaves out, and why; `filters.NOT_CARRIED` has those of the HTTP filters."""

_FETCHED = "tokens and keys are fetched beside Envoy, which is given only what came of it"

_TOLD = "the services beside Envoy tell of its access log to others"

_TOLD_SPANS = "Envoy tells its spans to the services beside it, which pass them on"

_SERVED = "the services beside Envoy serve metrics, which they make of its access log"

NOT_CARRIED = {
    "Backend.behind": "whoever runs both on one machine has put the listener's address in the backend's endpoints",
    "Backend.fallback": "the reader has turned it into the priorities of a joined backend",
    "Backend.members": "it tells people and stubs what a joined backend was made of; Envoy has the endpoints",
    "Backend.namespace": "it tells people and stubs where the backend comes from; Envoy has its endpoints",
    "Backend.port": "it tells people and stubs which port was asked for; Envoy has that of each endpoint",
    "Backend.simulated": "it tells what a stub speaks that stands in for the backend",
    "Backend.stub": "whoever starts stubs has put their addresses in the backend's endpoints",
    "BackendTarget.reason": "it tells people why a target is refused; clients are answered with 500 without reasons",
    "Collector.headers": _TOLD_SPANS,
    "Collector.timeout": _TOLD_SPANS,
    "Collector.url": _TOLD_SPANS,
    "Exporter.address": _SERVED,
    "Exporter.path": _SERVED,
    "Exporter.port": _SERVED,
    "Gateway.addresses": "where a gateway is bound is decided by the placement, not by the manifests",
    "Gateway.collector": _TOLD_SPANS,
    "Gateway.exporter": _SERVED,
    "Gateway.name": "each listener's name already says which gateway it belongs to",
    "HttpRoute.kind": "the route's origin already says what kind of object it is",
    "Respond.reason": "it tells people why an answer stands for a fault; clients get the answer without reasons",
    "StreamRoute.kind": "the route's origin already says what kind of object it is",
    "AwsExchange.oidc": _FETCHED,
    "AwsExchange.role": _FETCHED,
    "AwsExchange.session": _FETCHED,
    "AzureToken.client_id": _FETCHED,
    "AzureToken.oidc": _FETCHED,
    "AzureToken.secret": _FETCHED,
    "AzureToken.tenant": _FETCHED,
    "GcpFederation.oidc": _FETCHED,
    "GcpFederation.pool": _FETCHED,
    "GcpFederation.project_id": _FETCHED,
    "GcpFederation.project_name": _FETCHED,
    "GcpFederation.provider": _FETCHED,
    "GcpFederation.service_account": _FETCHED,
    "GcpToken.federation": _FETCHED,
    "GcpToken.file": _FETCHED,
    "OidcClient.client_id": _FETCHED,
    "OidcClient.issuer": _FETCHED,
    "OidcClient.scopes": _FETCHED,
    "OidcClient.secret": _FETCHED,
    "OidcClient.token_endpoint": _FETCHED,
    "Langfuse.host": _TOLD,
    "Langfuse.public_key": _TOLD,
    "Langfuse.secret": _TOLD,
    "Otel.endpoint": _TOLD,
    "Otel.service": _TOLD,
    "Provider.langfuse": _TOLD,
    "Provider.otel": _TOLD,
    "TokenCredential.source": _FETCHED,
}
