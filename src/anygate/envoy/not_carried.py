"""Fields of the model that the builder leaves out, and why; `filters.NOT_CARRIED` has those of the HTTP filters."""

NOT_CARRIED = {
    "Backend.fallback": "the reader has turned it into the priorities of a joined backend",
    "Backend.members": "it tells people and stubs what a joined backend was made of; Envoy has the endpoints",
    "Backend.namespace": "it tells people and stubs where the backend comes from; Envoy has its endpoints",
    "Backend.port": "it tells people and stubs which port was asked for; Envoy has that of each endpoint",
    "Backend.stub": "whoever starts stubs has put their addresses in the backend's endpoints",
    "BackendTarget.reason": "it tells people why a target is refused; clients are answered with 500 without reasons",
    "Gateway.addresses": "where a gateway is bound is decided by the placement, not by the manifests",
    "Gateway.name": "each listener's name already says which gateway it belongs to",
    "HttpRoute.kind": "the route's origin already says what kind of object it is",
    "Respond.reason": "it tells people why an answer stands for a fault; clients get the answer without reasons",
    "StreamRoute.kind": "the route's origin already says what kind of object it is",
}
