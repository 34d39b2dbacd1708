import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from anygate.stubs import RequestRecord, StubSet, StubSpec, UdpAddress, UnixAddress
from anygate.stubs.stub_set import name_socket

pytestmark = pytest.mark.anyio

WEB = StubSpec("web", "shop")
DB = StubSpec("db", "shop", "tcp")
DNS = StubSpec("dns", "shop", "udp")


async def ask(address: object) -> bytes:
    assert isinstance(address, UnixAddress)
    reader, writer = await asyncio.open_unix_connection(address.path)
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


async def test_exactly_the_wanted_stubs_answer(quiet_loop: None, tmp_path: Path) -> None:
    seen: list[RequestRecord] = []
    async with StubSet(tmp_path / "s", on_request=seen.append) as stubs:
        first = await stubs.ensure([WEB, DB, DNS, WEB])
        assert set(first) == {WEB, DB, DNS}
        assert isinstance(first[DNS], UdpAddress)
        assert await stubs.ensure({WEB, DB, DNS}) == first
        assert b"web.shop" in await ask(first[WEB])
        assert [record.backend for record in seen] == ["web.shop"]
    assert list((tmp_path / "s").iterdir()) == []


class Witness:
    """An idle connection: it ends when its stub stops."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, address: object) -> "Witness":
        assert isinstance(address, UnixAddress)
        return cls(*await asyncio.open_unix_connection(address.path))

    async def wait(self) -> None:
        async with asyncio.timeout(5):
            assert await self.reader.read() == b""
        self.writer.close()
        await self.writer.wait_closed()


async def test_a_stub_no_longer_wanted_goes_after_its_grace(quiet_loop: None, tmp_path: Path) -> None:
    async with StubSet(tmp_path, grace=0.05) as stubs:
        address = (await stubs.ensure([WEB, DB]))[WEB]
        witness = await Witness.connect(address)
        assert set(await stubs.ensure([DB])) == {DB}
        assert b"200 OK" in await ask(address)
        await witness.wait()
        assert stubs.running == {DB}
        with pytest.raises(OSError):
            await ask(address)


async def test_a_stub_wanted_again_in_its_grace_stays(quiet_loop: None, tmp_path: Path) -> None:
    async with StubSet(tmp_path, grace=0.05) as stubs:
        first = await stubs.ensure([WEB, DB])
        before = stubs.get(WEB)
        witness = await Witness.connect(first[DB])
        await stubs.ensure([])
        assert await stubs.ensure([WEB]) == {WEB: first[WEB]}
        await witness.wait()
        assert stubs.running == {WEB}
        assert stubs.get(WEB) is before


async def test_a_stub_started_while_the_old_one_drains_keeps_its_socket(quiet_loop: None, tmp_path: Path) -> None:
    arrivals: asyncio.Queue[RequestRecord] = asyncio.Queue()
    async with StubSet(tmp_path, grace=0, deadline=0.2, on_request=arrivals.put_nowait) as stubs:
        address = (await stubs.ensure([WEB]))[WEB]
        idle, busy = await Witness.connect(address), await Witness.connect(address)
        busy.writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nx-stub-delay: 1m\r\n\r\n")
        await arrivals.get()
        await stubs.ensure([])
        await idle.wait()
        assert (await stubs.ensure([WEB]))[WEB] == address
        await busy.wait()
        assert b"200 OK" in await ask(address)


async def test_a_folder_of_its_own_is_removed(quiet_loop: None) -> None:
    stubs = StubSet()
    address = (await stubs.ensure([WEB]))[WEB]
    assert isinstance(address, UnixAddress)
    folder = Path(address.path).parent
    assert folder.stat().st_mode & 0o077 == 0
    await stubs.stop()
    assert not folder.exists()


def test_socket_names_fit_and_differ() -> None:
    long = StubSpec("s" * 63, "n" * 63)
    other = StubSpec("s" * 63, "n" * 62)
    for folder in (Path("/tmp"), Path("/tmp/" + "f" * 80)):
        assert len(str(name_socket(folder, long))) <= 107
        assert name_socket(folder, long) != name_socket(folder, other)
    with pytest.raises(OSError, match="too long"):
        name_socket(Path("/tmp/" + "f" * 120), long)


def test_importing_loads_no_protocol_library() -> None:
    probe = "import sys, anygate.stubs; print([m for m in ('h11', 'h2', 'wsproto') if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
