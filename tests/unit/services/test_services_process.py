"""The services as the process that `run` starts: called over its socket, and gone with its parent."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest

from anygate.envoy.api import build, message, uint64

CALL = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
DEADLINE = 20.0
OK, OVER = 1, 2
Entries = tuple[tuple[str, str], ...]


@contextmanager
def services(folder: Path, *words: str, **environment: str) -> Iterator[Any]:
    """Run the services and yield a function that asks about limits."""
    socket = folder / "services.sock"
    command = [sys.executable, "-m", "anygate.services", "--socket", str(socket), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment})
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        with grpc.insecure_channel(f"unix:{socket}") as channel:
            yield lambda *descriptors, **fields: should_limit(channel, *descriptors, **fields)
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)
    assert process.returncode == 0


def should_limit(channel: grpc.Channel, *descriptors: Entries, hits: int | None = None, **fields: Any) -> Any:
    request = build(
        "envoy.service.ratelimit.v3.RateLimitRequest",
        domain="anygate",
        descriptors=[
            {"entries": [{"key": key, "value": value} for key, value in one], "hits_addend": uint64(hits), **fields}
            for one in descriptors
        ],
    )
    answer = channel.unary_unary(CALL)(request.SerializeToString(), timeout=DEADLINE)
    return message("envoy.service.ratelimit.v3.RateLimitResponse").FromString(answer)


def limit(rule: str, per: str, *entries: tuple[str, str], mode: str = "limit") -> Entries:
    return ((mode, rule), ("per", per), *entries)


def test_it_says_ready_answers_and_ends(tmp_path: Path) -> None:
    with services(tmp_path) as ask:
        one = limit("r", "2/31536000", ("user", "ann"))
        assert [ask(one).overall_code for _ in range(3)] == [OK, OK, OVER]
        assert ask(limit("r", "2/31536000", ("user", "bob"))).overall_code == OK
        (status,) = ask(one, hits=0).statuses
        assert (status.code, status.limit_remaining) == (OVER, 0)
        assert (status.current_limit.requests_per_unit, status.current_limit.unit) == (2, 4)
        assert status.current_limit.unit_multiplier.value == 365
        assert 0 < status.duration_until_reset.seconds <= 31_536_000


def test_what_is_not_refused_is_told(tmp_path: Path) -> None:
    with services(tmp_path) as ask:
        ask(limit("r", "2/60", mode="charge"), hits=5)
        told = ask(limit("r", "2/60", mode="shadow"), limit("r", "2/60", mode="quota"))
        assert told.overall_code == OK
        assert told.dynamic_metadata["r"] == "out"
        assert list(told.dynamic_metadata["shadow"]) == ["r"]


def test_a_request_may_carry_its_own_limit(tmp_path: Path) -> None:
    with services(tmp_path) as ask:
        own = {"limit": {"requests_per_unit": 1, "unit": "YEAR"}}
        assert [ask(limit("r", "9/60"), **own).overall_code for _ in range(2)] == [OK, OVER]


@pytest.mark.parametrize(
    "entries", [(), (("limit", "r"),), (("x", "r"), ("per", "1/1")), (("limit", "r"), ("per", "1"))]
)
def test_others_questions_are_not_answered(tmp_path: Path, entries: Entries) -> None:
    with services(tmp_path) as ask, pytest.raises(grpc.RpcError) as refused:
        ask(entries)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]


def test_without_its_redis_it_says_that_it_does_not_know(tmp_path: Path) -> None:
    away = f"unix://{tmp_path}/redis.sock"
    with services(tmp_path, ANYGATE_RATELIMIT=away) as ask, pytest.raises(grpc.RpcError) as refused:
        ask(limit("r", "1/1"))
    assert refused.value.code() == grpc.StatusCode.UNAVAILABLE  # type: ignore[attr-defined]


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A shell starts it and waits; killed, it leaves nobody behind."""
    program = f"""
import os, subprocess, sys
command = [sys.executable, "-m", "anygate.services", "--socket", {str(tmp_path / "s")!r}, "--parent", str(os.getpid())]
child = subprocess.Popen(command)
print(child.pid, flush=True)
child.wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert int(parent.stdout.readline())
    assert parent.stdout.readline() == "ready\n"
    parent.kill()
    # The child has the other end of the pipe too: it ends when the child does.
    assert parent.stdout.read() == ""
    parent.communicate(timeout=DEADLINE)


def test_a_parent_that_is_gone_already(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anygate.services", "--socket", str(tmp_path / "s"), "--parent", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 3
    assert "has ended" in done.stderr


def test_a_password_is_not_repeated(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anygate.services", "--socket", str(tmp_path / "s")]
    environment = {**os.environ, "ANYGATE_RATELIMIT": "http://:secret@cache"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, env=environment)
    assert done.returncode == 2
    assert "secret" not in done.stdout + done.stderr
