"""Where each backend's traffic goes on this machine: its real endpoints, an address given by hand, or a stub."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from anygate.envoy.placement import ANY_ADDRESS, LOOPBACK, Socket
from anygate.errors import UsageError
from anygate.model import Backend, Model
from anygate.model.backend import Endpoint, EndpointGroup
from anygate.runner.vendors import vendor_of
from anygate.stubs import Address, StubSpec, UdpAddress, UnixAddress

StubMode = Literal["none", "unreachable", "all"]
_CONNECT_SECONDS = 0.5
_MOST_TRIED = 4
_MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Resolution:
    """`--resolve HOST[:PORT]=ADDRESS:PORT`: where a backend really is. Port 0 stands for every port."""

    host: str
    port: int
    address: str
    to_port: int


@dataclass(frozen=True)
class Destination:
    """Where a backend's traffic goes: to its `real` endpoints, where it was `resolved` to by hand, to the `sidecar`
    that runs in front of it here, to a `stub`, or to `none`. `address` is where, of the second and the third.
    """

    kind: Literal["real", "resolved", "sidecar", "stub", "none"]
    detail: str = ""
    address: Socket | None = None


def parse_resolution(text: str) -> Resolution:
    """Read one `--resolve` value; raises UsageError."""
    left, equals, right = text.partition("=")
    host, _, port = left.partition(":")
    address, _, to_port = right.rpartition(":")
    if not (equals and host and address and _is_port(to_port) and (not port or _is_port(port))):
        raise UsageError(f"--resolve {text}: expected HOST[:PORT]=ADDRESS:PORT")
    return Resolution(host, int(port or 0), address.strip("[]"), int(to_port))


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) <= 65_535


def find_resolution(backend: Backend, resolutions: Sequence[Resolution]) -> Resolution | None:
    """The resolution for a backend, whose host may be given as `name`, `name.namespace` or a DNS name."""
    if not resolutions:
        return None
    names = {backend.service, f"{backend.service}.{backend.namespace}"}
    names |= {f"{backend.service}.{backend.namespace}.svc"}
    names |= {f"{backend.service}.{backend.namespace}.svc.cluster.local"}
    names |= {endpoint.host for group in backend.groups for endpoint in group.endpoints}
    return match_resolution(names, backend.port, resolutions)


def match_resolution(names: Collection[str], port: int, resolutions: Sequence[Resolution]) -> Resolution | None:
    """The first resolution for a port of what has these names."""
    return next((one for one in resolutions if one.host in names and one.port in (0, port)), None)


class Reachability:
    """Tries endpoints: a backend counts as reachable when one of its first endpoints takes a connection.

    What was reached once is not tried again, so that a reload does not move a backend to a stub for a hiccup.
    """

    def __init__(self) -> None:
        self._reached: set[Endpoint] = set()
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def check(self, backends: Iterable[Backend]) -> dict[str, bool]:
        """Whether each backend can be reached, by name. UDP cannot be tried and counts as reachable."""
        tried = {backend.name: _first_endpoints(backend) for backend in backends if not _is_beyond_trial(backend)}
        unknown = sorted({one for endpoints in tried.values() for one in endpoints} - self._reached, key=repr)
        found = await asyncio.gather(*(self._try(endpoint) for endpoint in unknown))
        self._reached.update(endpoint for endpoint, is_there in zip(unknown, found, strict=True) if is_there)
        return {name: not self._reached.isdisjoint(endpoints) for name, endpoints in tried.items()}

    async def _try(self, endpoint: Endpoint) -> bool:
        async with self._turns:
            return await _try_connect(endpoint)


def _is_beyond_trial(backend: Backend) -> bool:
    return backend.dynamic or backend.protocol == "udp"


def _first_endpoints(backend: Backend) -> tuple[Endpoint, ...]:
    return tuple(endpoint for group in backend.groups for endpoint in group.endpoints)[:_MOST_TRIED]


async def _try_connect(endpoint: Endpoint) -> bool:
    try:
        async with asyncio.timeout(_CONNECT_SECONDS):
            if endpoint.unix:
                _, writer = await asyncio.open_unix_connection(endpoint.unix)
            else:
                _, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    except (OSError, TimeoutError, UnicodeError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True


def stub_of(backend: Backend) -> StubSpec:
    """The stub that stands in for a backend; backends of one service share it."""
    kind: Literal["http", "tcp", "udp"] = "http"
    if backend.protocol in ("tcp", "udp"):
        kind = backend.protocol
    vendor, prefix = vendor_of(backend)
    return StubSpec(backend.service, backend.namespace or "default", kind, vendor, prefix)


def choose(
    model: Model,
    mode: StubMode,
    resolutions: Sequence[Resolution],
    reachable: Mapping[str, bool],
    sockets: Mapping[str, Socket],
) -> dict[str, Destination]:
    """Decide for every backend where its traffic goes; `sockets` are those of listeners, by name.

    Merged backends follow their members.
    """
    chosen: dict[str, Destination] = {}
    for backend in model.backends:
        resolution = find_resolution(backend, resolutions)
        empty = not any(group.endpoints for group in backend.groups) and not backend.dynamic
        if resolution is not None:
            chosen[backend.name] = _lead_to("resolved", Socket(resolution.address, resolution.to_port))
        elif backend.behind in sockets:
            chosen[backend.name] = _lead_to("sidecar", sockets[backend.behind])
        elif mode == "all" or (mode == "unreachable" and (empty or not reachable.get(backend.name, True))):
            chosen[backend.name] = Destination("stub", "without TLS" if backend.tls else "")
        elif empty:
            chosen[backend.name] = Destination("none", "no endpoints, answers 503")
        else:
            chosen[backend.name] = Destination("real", _describe(backend))
    return chosen


def _lead_to(kind: Literal["resolved", "sidecar"], socket: Socket) -> Destination:
    if socket.address == ANY_ADDRESS:
        socket = socket._replace(address=LOOPBACK)
    return Destination(kind, f"{socket.address}:{socket.port}", socket)


def _describe(backend: Backend) -> str:
    if backend.dynamic:
        return "the request's own host"
    shown = [
        endpoint.unix or f"{endpoint.host}:{endpoint.port}" for group in backend.groups for endpoint in group.endpoints
    ]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")


def redirect_backends(
    model: Model,
    chosen: Mapping[str, Destination],
    stubs: Mapping[StubSpec, Address],
    known: dict[str, tuple[object, Backend]],
) -> Model:
    """The model with every backend's endpoints where they are to be.

    `known` keeps what was made the last time, so that an unchanged backend stays the same value.
    """
    plain = {backend.name: backend for backend in model.backends}
    backends = []
    for backend in model.backends:
        if backend.members:
            groups = _member_groups(backend, plain, chosen, stubs)
            made = msgspec.structs.replace(backend, groups=groups)
            if all(chosen[name].kind == "stub" for name in backend.members):
                made = msgspec.structs.replace(made, tls=None, stub=True)
            backends.append(made)
            continue
        if chosen[backend.name].kind in ("real", "none"):
            backends.append(backend)
            continue
        endpoint = _endpoint(backend, chosen, stubs)
        key = (backend, endpoint)
        held = known.get(backend.name)
        if held is None or held[0] != key:
            held = (key, _redirect(backend, endpoint, chosen[backend.name].kind == "stub"))
            known[backend.name] = held
        backends.append(held[1])
    return msgspec.structs.replace(model, backends=tuple(backends))


def _redirect(backend: Backend, endpoint: Endpoint, stub: bool) -> Backend:
    made = msgspec.structs.replace(backend, groups=(EndpointGroup(endpoints=(endpoint,)),), stub=stub, dynamic=False)
    if made.provider is not None and made.provider.forward_proxy:
        # What is on this machine is not reached through a proxy.
        provider = msgspec.structs.replace(made.provider, forward_proxy="")
        made = msgspec.structs.replace(made, provider=provider)
    if not stub:
        return made
    # A stub speaks plain HTTP, and answers no health check of the real service.
    protocol = "http1" if backend.protocol == "auto" else backend.protocol
    connection = msgspec.structs.replace(backend.connection, active_check=None, proxy_protocol="")
    return msgspec.structs.replace(made, tls=None, protocol=protocol, connection=connection)


def _endpoint(backend: Backend, chosen: Mapping[str, Destination], stubs: Mapping[StubSpec, Address]) -> Endpoint:
    given = chosen[backend.name].address
    if given is not None:
        name = next((one.hostname for group in backend.groups for one in group.endpoints), "")
        return Endpoint(host=given.address, port=given.port, hostname=name)
    address = stubs[stub_of(backend)]
    if isinstance(address, UnixAddress):
        return Endpoint(unix=address.path, hostname=_own_hostname(backend))
    assert isinstance(address, UdpAddress)
    return Endpoint(host=address.host, port=address.port)


def _own_hostname(backend: Backend) -> str:
    return next((one.hostname for group in backend.groups for one in group.endpoints if one.hostname), "")


def _member_groups(
    backend: Backend,
    plain: Mapping[str, Backend],
    chosen: Mapping[str, Destination],
    stubs: Mapping[StubSpec, Address],
) -> tuple[EndpointGroup, ...]:
    """Endpoints of a merged backend, its members' replaced one by one."""
    groups: list[EndpointGroup] = []
    for number, name in enumerate(backend.members):
        own = [group for group in backend.groups if group.zone.startswith(f"{number}/")]
        if chosen[name].kind in ("real", "none"):
            groups.extend(own)
            continue
        endpoint = _endpoint(plain[name], chosen, stubs)
        weight = sum(group.weight for group in own)
        groups.append(msgspec.structs.replace(own[0], endpoints=(endpoint,), weight=weight))
    return tuple(groups)
