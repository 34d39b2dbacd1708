"""Requests signed by Envoy, against botocore's own signatures."""

import json
import os
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from upstream_gateway import ORIGIN, Row, Running, Seen, backend, gateway, opaque, providers

from anygate.envoy.placement import Placement
from anygate.envoy.upstream.files import CredentialFile, list_credential_files
from anygate.model import inference as i
from anygate.model.edit import HeaderEdit
from anygate.model.root import Model

KEYS = """
[default]
aws_access_key_id = AKDEFAULT
aws_secret_access_key = default/secret+one

[other]
aws_access_key_id = AKOTHER
aws_secret_access_key = other-secret
aws_session_token = a-token
"""
FILE = opaque("default/aws", KEYS)
SECRETS = {"AKDEFAULT": ("default/secret+one", None), "AKOTHER": ("other-secret", "a-token"), "AKNEW": ("new", None)}
BODY = b'{"messages": [{"role": "user"}], "model": "m"}'
EXCHANGE = i.AwsExchange(
    name="default/policy", role="arn:aws:iam::1:role/r", session="s", oidc=i.OidcClient("https://o", "c", "s")
)


def aws(**fields: object) -> i.AwsCredential:
    return i.AwsCredential(origin=ORIGIN, region="us-east-1", **fields)  # type: ignore[arg-type]


def write(folder: Path, file: CredentialFile) -> None:
    """Move a file over the one that is there, as whoever places them has to."""
    new = folder / ".new"
    new.write_bytes(file.content.reveal())
    new.chmod(0o600)
    new.rename(folder / file.name)


def place(folder: Path, *backends: object) -> Placement:
    for file in list_credential_files(Model(backends=backends, secrets=(FILE,))):  # type: ignore[arg-type]
        write(folder, file)
    return Placement(credentials=str(folder))


def check_signature(seen: Seen, region: str, host: str) -> str:
    """Sign what came as botocore would, and compare. Returns the access key."""
    kind, _, fields = seen.headers["authorization"].partition(" ")
    given = dict(part.strip().split("=", 1) for part in fields.split(","))
    access, date, signed_for, service, _ = given["Credential"].split("/")
    assert (kind, signed_for, service) == ("AWS4-HMAC-SHA256", region, "bedrock")
    assert seen.headers["host"] == host
    secret, token = SECRETS[access]
    signed = given["SignedHeaders"].split(";")
    assert {"host", "x-amz-date"} <= set(signed)
    assert "content-length" not in signed
    headers = {name: seen.headers[name] for name in signed if name != "x-amz-security-token"}
    request = AWSRequest("POST", f"http://{host}{seen.path}", headers=headers, data=seen.body)
    request.context["timestamp"] = seen.headers["x-amz-date"]
    signer = SigV4Auth(Credentials(access, secret, token), "bedrock", region)
    if token:
        request.headers["x-amz-security-token"] = token
    canonical = signer.canonical_request(request)
    assert given["Signature"] == signer.signature(signer.string_to_sign(request, canonical), request)
    assert date == seen.headers["x-amz-date"][:8]
    return access


@pytest.mark.parametrize(
    ("path", "profile"),
    [
        ("/model/anthropic.claude-3:0/invoke", "default"),
        ("/model/arn:aws:bedrock:us-east-1:1:inference-profile%2Fus.x-v1:0/converse-stream", "other"),
        ("/model/a%20b/converse", "default"),
    ],
)
def test_translated_requests_are_signed(path: str, profile: str, tmp_path: Path) -> None:
    with providers(200) as [one]:
        edit = HeaderEdit(set=(("x-amz-edited", "edited"), ("content-type", "application/json; x=1")))
        credential = aws(file="default/aws", profile=profile)
        made = backend("a", one.port, "AWSBedrock", credential=credential, headers=edit, hostname="bedrock.example")
        row = Row(["a"], path=path, egress=True)
        with gateway([made], row, placement=place(tmp_path, made)) as running:
            for _ in range(3):
                assert running.post(BODY, path=path, authorization="Bearer client").status_code == 200
    for seen in one.seen:
        assert check_signature(seen, "us-east-1", "bedrock.example") == f"AK{profile.upper()}"
        assert seen.headers["x-amz-edited"] == "edited"


def test_a_rewritten_body_is_signed_on_every_attempt(tmp_path: Path) -> None:
    with providers(503, 200) as [one, two]:
        credential = aws(file="default/aws")
        made = [
            backend(
                name,
                server.port,
                "AWSOpenAI",
                credential=credential,
                model=f"openai.{name}:0",
                hostname=f"bedrock-runtime.{region}.amazonaws.com",
            )
            for name, server, region in (("a", one, "us-west-2"), ("b", two, "eu-west-1"))
        ]
        with gateway(made, Row(["a", "b"]), placement=place(tmp_path, *made)) as running:
            for _ in range(3):
                assert running.post(BODY).status_code == 200
    for server, name, region in ((one, "a", "us-west-2"), (two, "b", "eu-west-1")):
        assert len(server.seen) == 3
        for seen in server.seen:
            assert json.loads(seen.body)["model"] == f"openai.{name}:0"
            check_signature(seen, region, f"bedrock-runtime.{region}.amazonaws.com")


def test_without_a_name_the_host_is_that_of_the_region(tmp_path: Path) -> None:
    with providers(200) as [one]:
        made = backend("a", one.port, "AWSOpenAI", credential=aws(file="default/aws"), hostname="")
        with gateway([made], Row(["a"]), placement=place(tmp_path, made)) as running:
            for _ in range(2):
                assert running.post(BODY).status_code == 200
    for seen in one.seen:
        check_signature(seen, "us-east-1", "bedrock-runtime.us-east-1.amazonaws.com")


def test_keys_that_come_later_are_used_from_then_on(tmp_path: Path) -> None:
    with providers(200) as [one]:
        made = backend("a", one.port, "AWSOpenAI", credential=aws(exchange=EXCHANGE))
        [file] = list_credential_files(Model(backends=(made,)))
        assert file.stands_in
        with gateway([made], Row(["a"]), placement=place(tmp_path, made)) as running:
            refused = running.post(BODY)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "503")
            assert one.seen == []
            for access in ("AKDEFAULT", "AKNEW"):
                keys = f"[default]\naws_access_key_id={access}\naws_secret_access_key={SECRETS[access][0]}\n"
                write(tmp_path, file._replace(content=opaque("x", keys).value))
                _await(running, access, one.seen)
                assert check_signature(one.seen[-1], "us-east-1", "a.example") == access
            dump = running.envoy.ask_admin("/config_dump")
    assert "default/secret" not in dump


def _await(running: Running, access: str, seen: list[Seen]) -> None:
    """Envoy is told of the new file by the system, which may take some requests."""
    for _ in range(500):
        answer = running.post(BODY)
        if answer.status_code == 200 and access in seen[-1].headers["authorization"]:
            return
    raise AssertionError(f"{access} was never used")


def test_without_a_file_nobody_elses_keys_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "AWS_ACCESS_KEY_ID", "AKDEFAULT")
    monkeypatch.setitem(os.environ, "AWS_SECRET_ACCESS_KEY", "default/secret+one")
    with providers(200, 200) as [one, two]:
        made = [
            backend("a", one.port, "AWSOpenAI", credential=aws(file="default/missing")),
            backend("b", two.port, "AWSOpenAI", credential=aws()),
        ]
        rows = [Row(["a"]), Row(["b"], path="/environment")]
        with gateway(made, *rows, placement=place(tmp_path, *made)) as running:
            assert running.post(BODY).status_code == 503
            assert running.post(BODY, path="/environment").status_code == 200
    assert one.seen == []
    assert check_signature(two.seen[0], "us-east-1", "b.example") == "AKDEFAULT"


def test_large_bodies_are_signed(tmp_path: Path) -> None:
    body = json.dumps({"model": "m", "messages": ["x" * 8_000_000]}).encode()
    with providers(200) as [one]:
        made = backend("a", one.port, "AWSOpenAI", credential=aws(file="default/aws"), model="long")
        with gateway([made], Row(["a"]), placement=place(tmp_path, made)) as running:
            assert running.post(body).status_code == 200
    check_signature(one.seen[0], "us-east-1", "a.example")
