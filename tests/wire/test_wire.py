import os

import pytest
from wire_case import HERE, find_cases, run_case

OUTPUTS = ("upstream.json", "client.json", "client.sse", "usage.json", "losses.txt")
CASES = find_cases()
UPDATE = bool(os.environ.get("ANYGATE_UPDATE"))


@pytest.mark.parametrize("folder", CASES, ids=lambda path: str(path.relative_to(HERE)))
def test_case(folder):
    outputs = run_case(folder)
    for name in OUTPUTS:
        path = folder / name
        if UPDATE and name in outputs:
            path.write_bytes(outputs[name])
        elif UPDATE:
            path.unlink(missing_ok=True)
        assert (path.read_bytes() if path.exists() else None) == outputs.get(name), name


@pytest.mark.parametrize("folder", CASES, ids=lambda path: str(path.relative_to(HERE)))
@pytest.mark.parametrize("size", [1, 7, 64])
def test_chunks_do_not_matter(folder, size):
    assert run_case(folder, size) == run_case(folder)
