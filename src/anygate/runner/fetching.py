"""Modules fetched from URLs.

Nothing is fetched from addresses inside of the network that this machine is in: who may write a manifest may not for
that reason ask for whatever this machine can reach. Only a module on this machine itself may come without TLS.
"""

import asyncio
import ipaddress
import socket
from hashlib import sha256
from urllib.parse import SplitResult, urljoin

import httpx2
import msgspec

from anygate.model.wasm import WasmModule
from anygate.urls import split_url
from anygate.wasm.inspection import Unusable, inspect

_MOST = 50 * 1024 * 1024
_SECONDS = 30.0
_REDIRECTS = 3


class _Lost(Exception):  # noqa: N818 - a sentence for people
    """Why a module cannot be had."""


async def fetch_module(module: WasmModule) -> WasmModule:
    """The module with its code, or with what is wrong with it."""
    try:
        async with asyncio.timeout(_SECONDS):
            content = await _download(module.url)
    except (_Lost, httpx2.HTTPError, TimeoutError, OSError) as problem:
        text = f"{module.url} cannot be fetched: {problem or type(problem).__name__}"
        return msgspec.structs.replace(module, fault=text)
    digest = sha256(content).hexdigest()
    if module.digest not in ("", digest):
        return msgspec.structs.replace(module, fault=f"the SHA-256 of {module.url} is {digest}")
    found = inspect(content)
    if isinstance(found, Unusable):
        return msgspec.structs.replace(module, fault=f"{module.url}: {found.message}")
    return msgspec.structs.replace(module, content=content)


async def _download(url: str) -> bytes:
    for _ in range(_REDIRECTS + 1):
        parts = split_url(url)
        address = await _find_address(parts)
        # The connection goes to the address that was looked at, whatever the name resolves to by then.
        netloc = f"[{address}]" if ":" in address else address
        target = parts._replace(netloc=f"{netloc}:{parts.port}" if parts.port else netloc).geturl()
        host = parts.hostname or ""
        async with (
            httpx2.AsyncClient(trust_env=False, timeout=_SECONDS) as client,
            client.stream("GET", target, headers={"host": parts.netloc}, extensions={"sni_hostname": host}) as answer,
        ):
            if answer.is_redirect:
                url = urljoin(url, answer.headers["location"])
                continue
            if answer.status_code != httpx2.codes.OK:
                raise _Lost(f"it answers {answer.status_code}")
            return await _read(answer)
    raise _Lost(f"it redirects more than {_REDIRECTS} times")


async def _read(answer: httpx2.Response) -> bytes:
    content = bytearray()
    async for part in answer.aiter_bytes():
        content += part
        if len(content) > _MOST:
            raise _Lost(f"it is larger than {_MOST} bytes")
    return bytes(content)


async def _find_address(parts: SplitResult) -> str:
    """The address of a URL, if it is one that may be asked."""
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise _Lost("expected a URL such as https://example.com/plugin.wasm")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise _Lost(f"{host} has no address") from None
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        known = ipaddress.ip_address(address)
        if known.is_loopback:
            continue
        if not known.is_global:
            raise _Lost(f"{host} is inside of the network, at {address}")
        if parts.scheme == "http":
            raise _Lost("only https is asked, except on this machine itself")
    return addresses[0]
