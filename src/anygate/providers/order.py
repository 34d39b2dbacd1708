"""What Envoy tells the adapter about a request, in headers, so that the adapter needs no configuration of its own."""

from typing import TYPE_CHECKING

import msgspec

from anygate.providers.formats import Backend, BackendFormat

if TYPE_CHECKING:  # the adapter reads orders without the model, and so starts in half the time
    from anygate.model.inference import Provider

PROVIDER_HEADER = "x-anygate-provider"
"""Carries an `Order` as JSON; Envoy sets it, and nothing else can reach the adapter's sockets."""

ENDPOINT_HEADER = "x-anygate-endpoint"
"""Carries the endpoint asked for, a `ModelEndpoint`, and after a space `true` if the tokens of its answer are counted:
then streams must tell them, whether the client wants to know or not."""

EGRESS_HEADER = "x-anygate-egress"
"""Carries the cluster that the adapter's request is for, on its way back through Envoy."""


class Order(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a converted request goes, and what that backend speaks.

    `egress` is the cluster; `set` and `remove` are edits of the converted body, as in `BodyEdit`.
    """

    egress: str
    format: BackendFormat
    version: str = ""
    prefix: str = ""
    model: str = ""
    region: str = ""
    project: str = ""
    chat_only: bool = False
    legacy_max_tokens: bool = False
    path: str = ""
    set: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()

    @property
    def backend(self) -> Backend:
        """The backend as conversions want it."""
        return Backend(
            format=self.format,
            version=self.version,
            prefix=self.prefix,
            model=self.model or None,
            region=self.region,
            project=self.project,
            chat_only=self.chat_only,
            legacy_max_tokens=self.legacy_max_tokens,
            path=self.path,
        )


def write_order(provider: "Provider", egress: str) -> str:
    """The header's value for a backend; `egress` is its cluster."""
    return msgspec.json.encode(
        Order(
            egress=egress,
            format=BackendFormat(provider.format),
            version=provider.version,
            prefix=provider.prefix,
            model=provider.model,
            region=provider.region,
            project=provider.project,
            chat_only=provider.chat_only,
            legacy_max_tokens=provider.legacy_max_tokens,
            path=provider.path,
            set=provider.body.set if provider.body else (),
            remove=provider.body.remove if provider.body else (),
        )
    ).decode()


def read_order(value: bytes) -> Order:
    """The order in a header's value; raises msgspec.MsgspecError."""
    return msgspec.json.decode(value, type=Order)
