"""The parts of the local proxy that need no Envoy."""

import asyncio
import os
import stat
import tempfile
from pathlib import Path

import pytest

from anygate.envoy import api
from anygate.proxy.admin import Admin, AdminUnreachable
from anygate.proxy.bootstrap import build_bootstrap, render_bootstrap
from anygate.proxy.drain import Load, read_load
from anygate.proxy.log import LogLine, is_noise, parse_line
from anygate.proxy.ports import BindFailure, Port, parse_bind_failures
from anygate.proxy.run_folder import RunFolder


def test_a_formatted_line_has_its_parts() -> None:
    line = parse_line('{"level":"warning","logger":"main","message":"a \\"b\\"\\nc"}')
    assert line == LogLine("warning", "main", 'a "b"\nc')


@pytest.mark.parametrize("text", ["Caught Segmentation fault", "[1]", '{"level":"info"}', "null", ""])
def test_what_envoy_did_not_format_is_critical(text: str) -> None:
    assert parse_line(text) == LogLine("critical", "", text)
    assert not is_noise(parse_line(text))


def test_refusals_in_the_log_are_noise_and_other_warnings_are_not() -> None:
    assert is_noise(LogLine("warning", "upstream", "lds: listener 'web' config rejected: no"))
    assert not is_noise(LogLine("warning", "misc", "Deprecated field"))


def test_load_counts_neither_the_admin_interface_nor_workers_twice() -> None:
    load = read_load(
        {
            "http.admin.downstream_rq_active": 1,
            "http.admin.downstream_cx_active": 1,
            "listener.admin.downstream_cx_active": 1,
            "http.web.downstream_rq_active": 2,
            "http.web.downstream_cx_active": 3,
            "listener.127.0.0.1_80.downstream_cx_active": 3,
            "listener.127.0.0.1_81.downstream_cx_active": 4,
            "listener.127.0.0.1_81.worker_0.downstream_cx_active": 4,
        }
    )
    assert load == Load(requests=2, raw_connections=4, connections=7)
    assert load.is_busy
    assert not read_load({"listener.a.downstream_cx_active": 1, "http.a.downstream_cx_active": 1}).is_busy


def test_the_run_folder_is_private_and_goes_away() -> None:
    with RunFolder() as folder:
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
        (folder.path / "admin.sock").touch()
    assert not folder.path.exists()


def test_a_long_temporary_folder_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with RunFolder() as folder:
        assert len(os.fsencode(folder.admin_socket)) <= 107


def test_the_bootstrap_is_what_envoy_reads(tmp_path: Path) -> None:
    text = render_bootstrap(build_bootstrap(xds=tmp_path / "x", admin=tmp_path / "a", runtime={"a.b": True}))
    assert '"api_type": "DELTA_GRPC"' in text
    assert '"a.b": true' in text
    assert api.message("envoy.config.bootstrap.v3.Bootstrap") is not None


def test_bind_failures_are_read_from_a_refusal() -> None:
    message = (
        "Error adding/updating listener(s) a: cannot bind '127.0.0.1:1': Permission denied\n"
        "b: cannot bind '[::1]:65534': Address already in use\n"
    )
    assert parse_bind_failures(message) == (
        BindFailure(Port("127.0.0.1", 1), "permission denied"),
        BindFailure(Port("::1", 65534), "address already in use"),
    )
    assert str(BindFailure(Port("::1", 2), "busy", "x (1)")) == "cannot listen on [::1]:2/tcp: busy by x (1)"


def test_an_absent_admin_interface_is_not_ready(tmp_path: Path) -> None:
    admin = Admin(tmp_path / "absent.sock")
    assert asyncio.run(admin.is_ready()) is False
    with pytest.raises(AdminUnreachable):
        asyncio.run(admin.stats("x"))
