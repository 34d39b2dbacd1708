"""An SDS server of the user at a Unix socket, as SPIRE has one: it delivers certificates and authorities by name."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from anygate.envoy.api import any_of, build, message

_SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"
_DISCOVERY = "envoy.service.discovery.v3."


def certificate(name: str, chain: bytes, key: bytes) -> Any:
    pair = {"certificate_chain": {"inline_bytes": chain}, "private_key": {"inline_bytes": key}}
    return build(_SECRET, name=name, tls_certificate=pair)


def authorities(name: str, bundle: bytes) -> Any:
    return build(_SECRET, name=name, validation_context={"trusted_ca": {"inline_bytes": bundle}})


@contextmanager
def sds_server(socket: Path, *secrets: Any) -> Iterator[None]:
    """Serve secrets until the block ends."""
    known = {secret.name: secret for secret in secrets}

    def stream(requests: Iterable[Any], _: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            # What has a version already is the acknowledgement of what was sent.
            if not request.version_info:
                found = [any_of(known[name]) for name in request.resource_names if name in known]
                yield build(
                    f"{_DISCOVERY}DiscoveryResponse",
                    version_info="1",
                    nonce="1",
                    type_url=request.type_url,
                    resources=found,
                )

    handler = grpc.stream_stream_rpc_method_handler(
        stream,
        request_deserializer=message(f"{_DISCOVERY}DiscoveryRequest").FromString,
        response_serializer=lambda made: made.SerializeToString(),
    )
    server = grpc.server(ThreadPoolExecutor(4))
    service = "envoy.service.secret.v3.SecretDiscoveryService"
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"StreamSecrets": handler}),))
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()
