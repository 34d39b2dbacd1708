import ast
import inspect
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from anygate.envoy import api, binary, descriptors
from anygate.envoy.api import bool_value, build, duration, struct, type_url, typed, uint32
from anygate.errors import EnvironmentProblem

ROUTE = "envoy.config.route.v3.Route"
SECRET = "envoy.extensions.transport_sockets.tls.v3.Secret"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"


@pytest.fixture(autouse=True)
def _cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_nested_dicts_messages_iterables_and_maps_are_taken():
    route = build(
        ROUTE,
        name="r",
        match={"prefix": "/", "case_sensitive": bool_value(False)},
        route=build("envoy.config.route.v3.RouteAction", cluster="c", timeout=timedelta(seconds=1.5)),
        metadata={"filter_metadata": {"anygate": struct({"line": 3, "tags": ["a", None, True, {"b": 1.5}]})}},
        typed_per_filter_config={"cors": typed(ROUTER)},
        request_headers_to_remove=(name for name in ("x", "y")),
        request_headers_to_add=[
            {"header": {"key": "a", "value": "b"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"},
        ],
    )
    assert api.to_json(route) == {
        "name": "r",
        "match": {"prefix": "/", "case_sensitive": False},
        "route": {"cluster": "c", "timeout": "1.500s"},
        "metadata": {"filter_metadata": {"anygate": {"line": 3, "tags": ["a", None, True, {"b": 1.5}]}}},
        "typed_per_filter_config": {"cors": {"@type": type_url(ROUTER)}},
        "request_headers_to_remove": ["x", "y"],
        "request_headers_to_add": [
            {"header": {"key": "a", "value": "b"}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        ],
    }


def test_none_leaves_a_field_out_and_an_empty_dict_sets_it():
    route = build(ROUTE, name=None, match={"prefix": None}, route=None, redirect=uint32(None))
    assert route.HasField("match")
    assert api.to_json(route) == {"match": {}}


@pytest.mark.parametrize("fields", [{"nope": 1}, {"match": {"nope": 1}}])
def test_an_unknown_field_is_refused(fields):
    with pytest.raises(ValueError, match="nope"):
        build(ROUTE, **fields)


def test_a_wrong_type_is_refused():
    with pytest.raises(TypeError):
        build(ROUTE, name=3)


def test_an_unknown_message_is_refused():
    with pytest.raises(LookupError, match=r"no message envoy\.Nope"):
        api.message("envoy.Nope")


def test_equal_messages_have_equal_bytes():
    forward = build("envoy.config.core.v3.Metadata", filter_metadata={name: struct({name: 1}) for name in "abc"})
    backward = build("envoy.config.core.v3.Metadata", filter_metadata={name: struct({name: 1}) for name in "cba"})
    assert api.serialise(forward) == api.serialise(backward)
    assert api.any_of(forward).value == api.any_of(backward).value


def test_any_is_unpacked_again():
    router = build(ROUTER, dynamic_stats=bool_value(True))
    assert api.unpack(api.any_of(router)) == router


def test_duration_and_wrappers():
    assert duration(timedelta(milliseconds=1500)).ToJsonString() == "1.500s"
    assert duration(None) is None
    assert api.uint64(2**40).value == 2**40
    assert api.double(0.5).value == 0.5


def test_json_goes_both_ways_also_inside_any():
    value = {
        "name": "r",
        "typed_per_filter_config": {"x": {"@type": type_url(ROUTER), "dynamic_stats": True}},
    }
    assert api.to_json(api.from_json(ROUTE, value)) == value


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"nope": 1}, "nope"),
        ({"match": {"prefixx": "/"}}, "match"),
        ({"typed_per_filter_config": {"x": {"@type": type_url(ROUTER), "nope": 1}}}, "nope"),
        ({"typed_per_filter_config": {"x": {"@type": type_url("a.Nope")}}}, "Nope"),
    ],
)
def test_json_is_read_strictly(value, words):
    with pytest.raises(ValueError, match=words):
        api.from_json(ROUTE, value)


def test_secrets_are_not_shown():
    secret = build(
        SECRET,
        name="s",
        tls_certificate={
            "certificate_chain": {"inline_string": "public"},
            "private_key": {"inline_string": "very-secret"},
            "private_key_provider": {
                "provider_name": "p",
                "typed_config": typed(ROUTER, dynamic_stats=bool_value(True)),
            },
        },
    )
    assert api.redact(secret) == {
        "name": "s",
        "tls_certificate": {
            "certificate_chain": {"inline_string": "public"},
            "private_key": {"inline_string": api.REDACTED},
            "private_key_provider": {
                "provider_name": "p",
                "typed_config": {"@type": type_url(ROUTER), "dynamic_stats": api.REDACTED},
            },
        },
    }
    assert api.to_json(secret)["tls_certificate"]["private_key"] == {"inline_string": "very-secret"}


def _nested_secrets():
    generic = {"name": "s", "generic_secret": {"secrets": {"k": {"inline_bytes": b"very-secret"}}}}
    keys = {"credentials": [{"key": "very-secret", "client": "c"}]}
    yield typed(SECRET, **generic)
    yield api.any_of(typed(SECRET, **generic))
    yield typed("envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth", **keys)
    yield typed(
        "envoy.config.route.v3.RouteConfiguration",
        virtual_hosts=[
            {
                "typed_per_filter_config": {
                    "k": typed("envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuthPerRoute", **keys)
                }
            }
        ],
    )
    yield typed(
        "xds.type.v3.TypedStruct",
        type_url=type_url(SECRET),
        value=struct({"genericSecret": {"secret": {"inlineString": "very-secret"}}}),
    )


@pytest.mark.parametrize("position", range(5))
def test_secrets_are_not_shown_inside_any(position):
    packed = list(_nested_secrets())[position]
    shown = str(api.redact(build("envoy.config.core.v3.TypedExtensionConfig", name="x", typed_config=packed)))
    assert api.REDACTED in shown
    assert "very-secret" not in shown
    assert "dmVyeS1zZWNyZX" not in shown


def test_the_example_in_the_module_works():
    example = textwrap.dedent(inspect.getdoc(api).partition("\n\n    ")[2].rpartition("\n\nThe classes")[0])
    names = vars(api) | {"timedelta": timedelta}
    exec(compile(ast.parse(textwrap.dedent("    " + example)), "example", "exec"), names)
    assert names["listener"].filter_chains[0].filters[0].name == "http"
    assert api.serialise(names["listener"]) == names["body"]


def test_the_order_of_declared_fields_is_the_order_of_the_fields():
    descriptor = api.message(ROUTE).DESCRIPTOR
    declared = api.declaration(ROUTE)
    assert [field.name for field in descriptor.fields] == [field.name for field in declared.field]
    assert [oneof.name for oneof in descriptor.oneofs] == [oneof.name for oneof in declared.oneof_decl]


def test_the_files_are_cached(tmp_path, monkeypatch):
    envoy = binary.executable()
    files = descriptors.load_files(envoy)
    assert len(files) > 500
    monkeypatch.setattr(descriptors, "scan", lambda _: pytest.fail("scanned again"))
    assert descriptors.load_files(envoy) == files
    assert [path.parent for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "anygate"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:9000] + b"x" + b[9001:], lambda b: b""])
def test_a_corrupt_cache_is_made_again(tmp_path, damage):
    envoy = binary.executable()
    files = descriptors.load_files(envoy)
    (cached,) = (tmp_path / "anygate").iterdir()
    whole = cached.read_bytes()
    cached.write_bytes(damage(whole))
    assert descriptors.load_files(envoy) == files
    assert cached.read_bytes() == whole


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path):
    (tmp_path / "anygate").write_text("a file where the folder should be")
    assert len(descriptors.load_files(binary.executable())) > 500


def test_an_executable_without_the_api_is_refused(tmp_path):
    script = tmp_path / "envoy"
    script.write_text("#!/bin/sh\n")
    with pytest.raises(EnvironmentProblem, match="carries no Envoy API"):
        descriptors.load_files(script)
    script.write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot be read"):
        descriptors.load_files(script)


@pytest.fixture
def _fresh_search():
    binary.executable.cache_clear()
    yield
    binary.executable.cache_clear()


@pytest.mark.usefixtures("_fresh_search")
def test_the_environment_variable_names_the_executable(monkeypatch, tmp_path):
    chosen = tmp_path / "my-envoy"
    monkeypatch.setenv(binary.OVERRIDE, str(chosen))
    with pytest.raises(EnvironmentProblem, match="not a file"):
        binary.executable()
    chosen.write_text("#!/bin/sh\necho my-envoy  version: abc/9.8.7/Clean/RELEASE/BoringSSL\n")
    with pytest.raises(EnvironmentProblem, match="not executable"):
        binary.executable()
    chosen.chmod(0o755)
    assert binary.executable() == chosen
    assert binary.version() == "9.8.7"


@pytest.mark.usefixtures("_fresh_search")
def test_an_executable_on_the_path_is_the_last_resort(monkeypatch, tmp_path):
    monkeypatch.delenv(binary.OVERRIDE, raising=False)
    monkeypatch.setattr(binary, "find_spec", lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentProblem, match="no Envoy found"):
        binary.executable()
    Path(tmp_path / "envoy").touch(mode=0o755)
    assert binary.executable() == tmp_path / "envoy"


def test_an_executable_that_is_no_envoy_has_no_version(tmp_path):
    script = tmp_path / "no-envoy"
    script.write_text("#!/bin/sh\necho hello\n")
    script.chmod(0o755)
    with pytest.raises(EnvironmentProblem, match="names no version"):
        binary.version(script)
    assert binary.version().startswith("1.")
