import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_egress import FakeEgress, RunningAdapter


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    adapter = RunningAdapter(tmp_path_factory.mktemp("a"))
    yield adapter
    errors = adapter.stop()
    assert adapter.process.returncode == 0, errors
    assert errors == b""


@pytest.fixture
def adapter(shared):
    while not shared.egress.asked.empty():
        shared.egress.asked.get()
    yield shared
    shared.close_sockets()
    assert shared.process.poll() is None


@pytest.fixture
def egress(adapter) -> FakeEgress:
    return adapter.egress
