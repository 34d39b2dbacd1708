"""Header changes with secrets: a filter makes them, and what the route shows is all the rest."""

import pytest

from anygate.envoy.api import unpack
from anygate.envoy.edits import build_header_fields, split_edit
from anygate.envoy.filters.hidden_headers import HiddenHeadersFilter, without_hidden
from anygate.envoy.refusal import CannotBuild
from anygate.model.edit import HeaderEdit, Respond
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import HttpRule
from anygate.model.text import SecretValue, Text

HERE = Origin("Test", "default", "one")
SERVER = Server(origin=HERE, name="http", protocol="http")


def hidden(name: str) -> Text:
    return Text(parts=("Bearer ", SecretValue(secret=name)))


def rule(edit: HeaderEdit, name: str = "one") -> HttpRule:
    return HttpRule(origin=HERE, name=name, action=Respond(origin=HERE, status=200), response_headers=edit)


def test_all_changes_of_a_header_stay_together() -> None:
    edit = HeaderEdit(set=(("X-A", hidden("a")), ("X-B", "b")), add=(("x-a", "more"),), remove=("x-A", "X-C"))
    found = split_edit(edit)
    assert found.hidden == HeaderEdit(set=(("X-A", hidden("a")),), add=(("x-a", "more"),), remove=("x-A",))
    assert found.shown == HeaderEdit(set=(("X-B", "b"),), remove=("X-C",))
    assert split_edit(found.shown) == (found.shown, None)


def test_each_set_of_changes_has_an_entry() -> None:
    one, same, other = (rule(HeaderEdit(set=(("x-a", hidden(name)),))) for name in ("a", "a", "b"))
    plain = rule(HeaderEdit(set=(("x-a", "a"),)))
    entries = HiddenHeadersFilter().chain(SERVER, [one, same, other, plain])
    assert len(entries) == 2
    assert all(entry.disabled and not entry.inert for entry in entries)
    assert list(HiddenHeadersFilter().route(one)) == list(HiddenHeadersFilter().route(same))
    assert HiddenHeadersFilter().route(plain) == {}
    values, secrets = [], []
    for entry in entries:
        found = entry.config.mutations  # type: ignore[attr-defined]
        values += [one.append.header.value for one in found.response_mutations]
        secrets += [set(unpack(one.typed_config).secret_configs) for one in found.formatters]
    assert sorted(values) == ["Bearer %SECRET(a)%", "Bearer %SECRET(b)%"]
    assert sorted(secrets, key=sorted) == [{"a"}, {"b"}]


def test_nothing_shows_a_secret_by_oversight() -> None:
    edit = HeaderEdit(add=(("x-a", hidden("a")),))
    assert without_hidden(rule(edit)).response_headers == HeaderEdit()
    with pytest.raises(CannotBuild):
        build_header_fields(edit, "request", HERE)
