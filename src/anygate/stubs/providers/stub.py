"""A stub that stands in for one LLM provider."""

from collections.abc import Callable

from anygate.stubs.providers.answering import ProviderAnswerer
from anygate.stubs.providers.registry import make_provider
from anygate.stubs.request_log import RequestRecord
from anygate.stubs.stub import EchoStub
from anygate.stubs.vendor import Vendor


class ProviderStub(EchoStub):
    """Answers as `vendor` does, on a Unix socket (`start`) or a TCP port (`listen`)."""

    def __init__(
        self,
        vendor: Vendor,
        service: str,
        namespace: str,
        *,
        is_open: bool = False,
        prefix: str | None = None,
        on_request: Callable[[RequestRecord], None] | None = None,
    ) -> None:
        self.vendor: Vendor = vendor
        provider = make_provider(vendor, is_open=is_open, prefix=prefix)
        super().__init__(service, namespace, "http", on_request=on_request, answerer=ProviderAnswerer(provider))
