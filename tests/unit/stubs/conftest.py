import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from anygate.stubs import EchoStub, RequestRecord, UnixAddress


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def quiet_loop() -> AsyncIterator[None]:
    """Fail the test when the event loop had to report an exception that nobody caught."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    yield
    assert reported == []


@pytest.fixture
async def arrivals(quiet_loop: None) -> asyncio.Queue[RequestRecord]:
    """What reached the stub, to wait for."""
    return asyncio.Queue()


@pytest.fixture
async def stub(arrivals: asyncio.Queue[RequestRecord], tmp_path: Path) -> AsyncIterator[EchoStub]:
    started = EchoStub("web", "shop", "http", on_request=arrivals.put_nowait)
    await started.start(tmp_path / "web.sock")
    yield started
    await started.stop(deadline=0.2)


@pytest.fixture
def socket_path(stub: EchoStub) -> str:
    assert isinstance(stub.address, UnixAddress)
    return stub.address.path
