"""What the chains of providers know of each other, and the pieces around them."""

from typing import Any

import pytest
from build_models import ORIGIN, backend, forward, listener, model, rule, server, target

from anygate.envoy.build import BuildCache, build
from anygate.envoy.placement import Placement
from anygate.envoy.snapshot import CLUSTER
from anygate.envoy.upstream.files import PENDING, list_credential_files
from anygate.envoy.upstream.lua import render_lua
from anygate.envoy.upstream.rewrite import fixed_path
from anygate.envoy.upstream.setting import Setting, survey
from anygate.envoy.upstream.signing import region_of
from anygate.manifests.sensitive import Sensitive
from anygate.model import inference as i
from anygate.model.edit import HeaderEdit
from anygate.model.root import Model
from anygate.model.route import HttpRoute
from anygate.model.tls import Opaque

AWS = i.AwsCredential(origin=ORIGIN, region="us-east-1")
EXCHANGE = i.AwsExchange(name="a/b", role="r", session="s", oidc=i.OidcClient("i", "c", "s"))


def provider(kind: str = "OpenAI", **fields: Any) -> i.Provider:
    return i.Provider(origin=ORIGIN, name="default/p", format=kind, **fields)


def served(name: str, kind: str = "OpenAI", **fields: Any) -> Any:
    return backend(name, 80, provider=provider(kind, **fields))


def aws(**fields: Any) -> i.AwsCredential:
    return i.AwsCredential(origin=ORIGIN, region="us-east-1", **fields)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (True, "true"),
        ('a"\\\n\0é', '"a\\034\\092\\010\\000\\195\\169"'),
        (("a", "b"), '{"a","b"}'),
        ({"a": None, "b": ("c",), "]": False}, '{["b"]={"c"},["]"]=false}'),
    ],
)
def test_values_as_lua_writes_them(value: object, written: str) -> None:
    assert render_lua(value) == written


def test_numbers_have_no_lua_expression_here() -> None:
    with pytest.raises(TypeError):
        render_lua(1)


@pytest.mark.parametrize(
    ("made", "endpoint", "path"),
    [
        (provider(), "chat", "/v1/chat/completions"),
        (provider(), "embeddings", "/v1/embeddings"),
        (provider(prefix="x"), "chat", "/x/chat/completions"),
        (provider(model="m"), "chat", ""),
        (provider("AzureOpenAI"), "chat", ""),
        (provider("AzureOpenAI", version="1"), "responses", "/openai/responses?api-version=1"),
        (provider("Anthropic"), "messages", "/v1/messages"),
        (provider("Cohere"), "chat", ""),
        (provider(override=i.CredentialOverride(header="x")), "chat", ""),
    ],
)
def test_where_a_route_can_do_without_the_script(made: i.Provider, endpoint: i.ModelEndpoint, path: str) -> None:
    assert fixed_path(made, endpoint, Setting()) == path
    assert fixed_path(made, endpoint, Setting(edited=("x",))) == ""


def test_providers_are_surveyed_in_no_order() -> None:
    edit = HeaderEdit(set=(("X-B", "1"), ("x-key", "2")), add=(("X-A", "1"),), remove=("x-c",))
    made = [
        served("a", headers=edit, override=i.CredentialOverride(header="X-Own")),
        served("b", credential=i.KeyCredential(origin=ORIGIN, secret="s", header="X-Key")),
    ]
    found = survey(made, "/f")
    assert found == Setting("/f", ("x-a", "x-b", "x-c"), ("x-own",), ("x-key",))
    assert found == survey(reversed(made), "/f")
    assert found.kept == ("x-a", "x-b", "x-c", "x-own")


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("bedrock-runtime.eu-west-1.amazonaws.com", "eu-west-1"),
        ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("bedrock-runtime.us-east-2.api.aws", "us-east-2"),
        ("vpce-0a1b-xyz.bedrock-runtime.us-west-2.vpce.amazonaws.com", "us-west-2"),
        ("bedrock-runtime.eu-west-1.amazonaws.com.example", ""),
        ("bedrock.example", ""),
    ],
)
def test_the_region_of_a_host(host: str, region: str) -> None:
    assert region_of(host) == region


def test_files_with_keys() -> None:
    secret = Opaque(origin=ORIGIN, name="../ns/keys", value=Sensitive(b"[default]\nkeys"))
    made = [
        served("a", credential=aws(file="../ns/keys")),
        served("b", credential=aws(file="../ns/keys", profile="other")),
        served("c", credential=aws(file="missing")),
        served("d", credential=aws(exchange=EXCHANGE)),
        served("e", credential=aws()),
    ]
    files = {file.name: file for file in list_credential_files(Model(backends=tuple(made), secrets=(secret,)))}
    assert len(files) == 3
    assert not any("/" in name or name.startswith(".") for name in files)
    whole, pending = [each for each in files.values() if not each.stands_in], f"{PENDING}".encode()
    assert sorted(pending in file.content.reveal() for file in whole) == [False, True]
    [exchanged] = [file for file in files.values() if file.stands_in]
    assert pending in exchanged.content.reveal()
    assert "keys" not in repr(files["ns-keys-" + next(n for n in files if n.startswith("ns-keys-"))[8:]].content)


def test_a_requests_own_aws_keys_are_refused() -> None:
    built = build(Model(backends=(served("a", credential=AWS, override=i.CredentialOverride(header="x-aws-")),)))
    assert [refusal.text for refusal in built.refused] == ["a request's own AWS credentials cannot be signed with"]
    assert "a" not in built.snapshot[CLUSTER]


def test_the_adapter_leads_only_to_backends_that_need_it() -> None:
    route = HttpRoute(
        origin=ORIGIN,
        name="r",
        rules=(
            rule(
                forward(target("a"), target("b", translated=True)),
                inference=i.Inference(origin=ORIGIN, endpoint="chat", route="r"),
            ),
        ),
    )
    made = model([listener(80, server(routes=(route,)))], [served("a"), served("b", "Gemini")])
    cache = BuildCache()
    assert sorted(build(made, Placement(), cache).snapshot[CLUSTER]) == ["a", "b"]
    placement = Placement(adapters=("/a.sock",))
    with_adapter = build(made, placement, cache)
    assert sorted(with_adapter.snapshot[CLUSTER]) == ["a", "b", "b/adapter"]
    assert with_adapter == build(made, placement)
