from datetime import timedelta

import pytest
from pydantic import ConfigDict, TypeAdapter, ValidationError

from anygate.manifests import fields
from anygate.manifests.fields import parse_duration, parse_go_duration, parse_quantity
from anygate.manifests.sensitive import Sensitive


def accepts(kind, value):
    try:
        TypeAdapter(kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("1h30m", 5400), ("500ms", 0.5), ("0s", 0), ("1h2m3s4ms", 3723.004), ("99999h", 359996400)],
)
def test_durations(text, seconds):
    assert parse_duration(text) == timedelta(seconds=seconds)
    assert parse_go_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "1.5h", "-1s", "1d", "100000s", "1h1h1h1h1h", "1us", "10s ", "٣s"])
def test_not_a_duration(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.5h", 5400), ("250us", 0.00025), (".5s", 0.5), ("0", 0), ("+1m", 60), ("1000ns", 1e-6)],
)
def test_go_durations(text, seconds):
    assert parse_go_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "-1s", "1d", ".s", "1h ", "9" * 90 + "h", "9" * 200 + "h"])
def test_not_a_go_duration(text):
    with pytest.raises(ValueError, match="expected a duration"):
        parse_go_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(("50Mi", 52428800), ("1000", 1000), ("32Ki", 32768), ("1.5Gi", 1610612736), ("1k", 1000)),
        *(("2e3", 2000), ("2E", 2 * 10**18), ("3M", 3 * 10**6), ("100m", 1), ("0", 0), ("1E2", 100)),
    ],
)
def test_quantities(text, size):
    assert parse_quantity(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "1KB", "1 Mi", "-1", "9Ei", "1e99", "1_0"])
def test_not_a_quantity(text):
    with pytest.raises(ValueError, match="expected a size"):
        parse_quantity(text)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (fields.Port, [1, 65535], [0, 65536, "80", True, 80.0]),
        (
            fields.Hostname,
            ["a", "a.b-c.d1", "*.a.b", "a" * 253],
            ["", "A", "*", "a.*.b", "-a", "a..b", "a\n"],
        ),
        (fields.Hostname, ["1.2.3.example"], ["1.2.3.4", "a" * 254, "::1", "a_b", "é", 5, None]),
        (fields.PreciseHostname, ["a.b"], ["*.a", "1.2.3.4", ""]),
        (fields.HeaderName, ["x-a", "X_1", "!#$%&'*+-.^_`|~"], ["", "a b", "a:", "é", "a" * 257, ":path"]),
        (fields.ObjectName, ["a", "A_b"], ["", "a" * 254, "a\n", 1]),
        (fields.Namespace, ["a", "a-1"], ["", "a.b", "A", "a" * 64, "-"]),
        (fields.SectionName, ["a", "a.b"], ["", "A", "a_b", "a" * 254]),
        (fields.Quantity, [1, "1Mi"], [-1, 1.5, True, None, "x"]),
        (fields.IntOrString, [1, "http"], [1.5, True, None, []]),
        (fields.Base64, ["", "aGk=", "aG\nk="], ["a", "hi there", "aGk", 5, b"aGk="]),
        (fields.Many[int], [[], [1]], ["12", {"a": 1}, 1, None, ["1"]]),
    ],
)
def test_types(kind, good, bad):
    assert [value for value in good if not accepts(kind, value)] == []
    assert [value for value in bad if accepts(kind, value)] == []


def test_sensitive_values_are_never_shown():
    one, same, other = Sensitive(b"hunter2"), Sensitive(b"hunter2"), Sensitive(b"x")
    assert (one == same, one == other, one == b"hunter2") == (True, False, False)
    assert len({one, same, other}) == 2
    assert (one.reveal(), one.reveal_text(), len(one)) == (b"hunter2", "hunter2", 7)
    assert not Sensitive(b"")
    assert {repr(one), str(one), f"{one}", f"{one!s:>4}", str([one])[1:-1]} == {"<redacted>"}
