"""`anygate new`: what it prints is valid, says what it means, and refuses what makes no sense."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from anygate.cli.app import main
from anygate.cli.new import find_template
from anygate.cli.new_values import quote
from anygate.compiler import compile_sources
from anygate.diagnostics import Diagnostic, SourceFile
from anygate.dialects import DIALECTS
from anygate.errors import UsageError

TEMPLATES = [one for dialect in DIALECTS for one in dialect.templates]
WEB = "gateway web"
SHOP = "service shop"
ROUTE = "httproute shop"
AI_ROUTE = "aigatewayroute chat"
OPENAI = "aiservicebackend openai"
IN_MESH = ("mesh shop", "virtualgateway web")

COMPLETE_SETS = [
    ("gatewayclass envoy",),
    (WEB,),
    (WEB, ROUTE, SHOP),
    ("gw edge --class eg --hostname *.example.com --port 88", f"{ROUTE} --gateway edge --hostname a.example.com", SHOP),
    ("gateway web --https", "secret web-tls --hostname shop.example.com", ROUTE, SHOP),
    ("gateway web --https --certificate own -n bank", "secret own -n bank", f"{ROUTE} -n bank", f"{SHOP} -n bank"),
    (WEB, "httproute shop --path /cart --service cart --port 90", "service cart --port 90"),
    (WEB, ROUTE, "service shop --address 127.0.0.1"),
    (WEB, ROUTE, "service shop --address ::1"),
    (WEB, "grpcroute calls", "service calls --port 9000"),
    (WEB, "grpcroute calls --hostname grpc.example.com", "service calls --port 9000"),
    ("gateway web --with tls", "tlsroute secure", "service secure --port 8443"),
    ("gateway web --with tcp", "tcproute database", "service database --port 9000"),
    ("gateway web --with udp", "udproute names", "service names --port 9053 --with udp"),
    ("gateway web --with udp --with tcp --with tls --https", "secret web-tls"),
    ("referencegrant shop",),
    ("referencegrant shop -n bank --from shop --service pay",),
    (WEB, ROUTE, SHOP, "backendtlspolicy shop"),
    ("backend partner",),
    ("backend partner --with tls --hostname api.partner.example --port 443",),
    (WEB, "clienttrafficpolicy web"),
    (WEB, ROUTE, SHOP, "backendtrafficpolicy shop"),
    *((WEB, ROUTE, SHOP, f"securitypolicy shop --with {part}") for part in ("api-key", "jwt", "cors")),
    (WEB, ROUTE, SHOP, "securitypolicy shop"),
    (WEB, ROUTE, SHOP, "securitypolicy login --route shop --with basic --with cors --with authorization"),
    *((f"httproutefilter answer{part}",) for part in ("", " --with rewrite", " --with credential")),
    ("service null --address 10.0.0.1 -n on",),
    ("aiservicebackend openai",),
    *((f"aiservicebackend openai --with {part}",) for part in ("anthropic", "azure", "bedrock", "vertex", "cohere")),
    *(
        ("aiservicebackend openai -n ai", f"backendsecuritypolicy openai --with {part} -n ai")
        for part in ("api-key", "anthropic", "azure", "aws", "gcp")
    ),
    (WEB, AI_ROUTE, OPENAI, "backendsecuritypolicy openai"),
    (WEB, f"{AI_ROUTE} --with buffer --with weights", OPENAI, "aiservicebackend openai-2"),
    (WEB, f"{AI_ROUTE} --with buffer --with failover", OPENAI, "aiservicebackend openai-spare"),
    (WEB, f"{AI_ROUTE} --with buffer --with catch-all --timeout 10m --hostname *.example.com", OPENAI),
    (WEB, f"{AI_ROUTE} --with buffer --with override", OPENAI),
    (WEB, f"{AI_ROUTE} --model o3 --backend azure --override my-deployment", "aiservicebackend azure --with azure"),
    ("gateway web -n ai", f"{AI_ROUTE} --with buffer --with pool -n ai", f"{OPENAI} -n ai"),
    (WEB, "httproute shop", "service shop", "wasmplugin shop"),
    (WEB, "aiservice gpt", "tokenpolicy gpt"),
    (WEB, "aiservice gpt"),
    ("gateway web -n ai", "aiservice gpt -n ai"),
    ("mesh shop",),
    (*IN_MESH, "gatewayroute cart", "virtualservice cart", "virtualnode cart"),
    (*IN_MESH, "gatewayroute cart --path /cart --hostname shop.example.com", "virtualservice cart", "virtualnode cart"),
    (
        "mesh shop",
        "vgw web --port 80 -n edge",
        "gatewayroute all --service cart -n bank",
        "vs cart --with router --backend routes -n bank",
        "vr routes --with canary --backend cart -n bank",
        "vn cart --port 9000 --hostname cart.internal -n bank",
        "virtualnode cart-v2 -n bank",
    ),
    (*IN_MESH, "gatewayroute a", "virtualservice a --with router", "virtualrouter a", "virtualnode a --with cloud-map"),
]


def make(capsys: pytest.CaptureFixture[str], words: str | Sequence[str]) -> str:
    assert main(["new", *(words.split() if isinstance(words, str) else words)]) == 0
    return capsys.readouterr().out


def fail(capsys: pytest.CaptureFixture[str], words: str) -> str:
    assert main(["new", *words.split()]) == 2
    printed = capsys.readouterr()
    assert not printed.out
    return printed.err


def find_mistakes(text: str) -> list[Diagnostic]:
    found = compile_sources([SourceFile("in.yaml", text)]).diagnostics
    # What only a cluster has is noted and no mistake.
    return [one for one in found if one.rule not in ("no-endpoints", "ai-no-picker", "mesh-cloud-map")]


@pytest.mark.parametrize("words", COMPLETE_SETS, ids=" + ".join)
def test_clean_with_what_it_refers_to(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(make(capsys, one) for one in words)
    assert not find_mistakes(text)


def test_every_template_and_part_is_tried() -> None:
    tried = " ".join(word for words in COMPLETE_SETS for word in words)
    for template in TEMPLATES:
        assert f"{template.kind.lower()} " in tried
        for part in template.parts:
            default = part == template.default_part
            assert default or f"--with {part}" in tried or f"--{part}" in tried, f"{template.kind} {part}"


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda one: one.kind)
def test_commented_fields_are_valid_too(template, capsys: pytest.CaptureFixture[str]) -> None:  # type: ignore[no-untyped-def]
    """With every commented-out field in its place, the API's schema still knows them all."""
    text = make(capsys, [template.kind, "shop"])
    bare = "\n".join(_uncomment(line) for line in text.splitlines())
    allowed = {"backend-not-found", "parent-not-found", "policy-target-not-found"}
    allowed |= {"ai-backend-not-found", "ai-policy-target-not-found"}
    allowed |= {"mesh-no-owner", "nantian-target-not-found"}  # they stand alone here
    if template.kind in ("Backend", "BackendTLSPolicy"):
        allowed.add("invalid-value")  # some comments show alternatives
    assert {one.rule for one in find_mistakes(bare)} <= allowed, bare


def _uncomment(line: str) -> str:
    """A comment that is a field or a list entry without its mark; prose and what stands above the object stay."""
    return re.sub(r"^( +)# ( *(?:- )?(?:[a-z][A-Za-z0-9]*|x-[a-z-]+):(?: .*)?)$", r"\1\2", line)


@pytest.mark.parametrize(
    "spelling",
    ["HTTPRoute", "httproutes", "HttpRoute", "http-route", "hr", "gatewayclasses", "svc", "securitypolicies"],
)
def test_kind_spellings(spelling: str) -> None:
    expected = {"gatewayclasses": "GatewayClass", "svc": "Service", "securitypolicies": "SecurityPolicy"}
    assert find_template(spelling).kind == expected.get(spelling, "HTTPRoute")


def test_short_names_are_distinct() -> None:
    words = [word for one in TEMPLATES for word in (one.kind.lower(), *one.short)]
    assert len(words) == len(set(words))


def test_unknown_kind() -> None:
    with pytest.raises(UsageError, match='no template for the kind "gatway"\nhint: did you mean `Gateway`'):
        find_template("gatway")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("gateway", "name the Gateway: anygate new gateway NAME\nhint: it takes --class, "),
        ("gateway Web_1", 'NAME "Web_1" is not a valid name\nhint: use at most 253 '),
        ("gateway Web_1", 'such as "web-1"'),
        ("service 1shop", "beginning with a letter"),
        ("gateway web --path /x", "--path has no meaning for kind Gateway\nhint: it takes "),
        ("gatewayclass envoy -n bank", "--namespace has no meaning for kind GatewayClass\nhint: it takes no options"),
        ("gateway web --port 0", '--port "0" is not a number from 1 to 65535'),
        ("gateway web --port http", '--port "http" is not a number from 1 to 65535'),
        ("gateway web --hostname A.example.com", '--hostname "A.example.com" is not a lower-case host name, "*."'),
        ("backend b --hostname *.example.com", '--hostname "*.example.com" is not a lower-case host name\n'),
        ("httproute r --path cart", '--path "cart" is not an absolute path'),
        ("httproute r --path /a/../b", "is not an absolute path"),
        ("httproute r -n a.b", '--namespace "a.b" is not a valid namespace'),
        ("service s --address localhost", '--address "localhost" is not an IP address'),
        ("securitypolicy s --with jwtt", 'kind SecurityPolicy has no part "jwtt"\nhint: did you mean "jwt"?'),
        ("httproute s --with jwt", "--with has no meaning for kind HTTPRoute"),
        ("httproute s --https", "--https has no meaning for kind HTTPRoute"),
        ("httproute s --model gpt-4o", "--model has no meaning for kind HTTPRoute"),
        ("aigatewayroute a --timeout 5", '--timeout "5" is not a duration'),
        ("httproute s --nonsense", "unknown option"),
    ],
)
def test_wrong_usage(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert said in fail(capsys, words)


def test_lists_kinds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*(one.kind for one in TEMPLATES), "Stack"]


def test_writes_a_new_file_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "web.yaml"
    assert main(["new", "gateway", "web", "-o", str(path)]) == 0
    assert capsys.readouterr().err == f"wrote {path}\n"
    written = path.read_text()
    assert main(["new", "gateway", "other", "-o", str(path)]) == 3
    assert capsys.readouterr().err == f"error: {path} exists already, and is left as it is\n"
    assert path.read_text() == written
    assert main(["new", "gateway", "web", "-o", str(tmp_path / "no" / "web.yaml")]) == 3
    assert capsys.readouterr().err.endswith("no such file or directory\n")


@pytest.mark.parametrize(
    "word", ["null", "true", "on", "12", "1e3", "0x1f", "1.5", "shop", "*.example.com", "/a,b", "::1", "a: b", "a #b"]
)
def test_quoting(word: str) -> None:
    assert yaml.safe_load(f"x: {quote(word)}") == {"x": word}
    assert yaml.safe_load(f"[{quote(word)}]") == [word]


def test_certificate_fits_its_key(capsys: pytest.CaptureFixture[str]) -> None:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import DNSName, SubjectAlternativeName, load_pem_x509_certificate

    secret = yaml.safe_load(make(capsys, "secret web-tls --hostname *.example.com"))
    made = load_pem_x509_certificate(secret["stringData"]["tls.crt"].encode())
    key = load_pem_private_key(secret["stringData"]["tls.key"].encode(), None)
    assert made.public_key() == key.public_key()
    names = made.extensions.get_extension_for_class(SubjectAlternativeName).value
    assert names.get_values_for_type(DNSName) == ["*.example.com"]
