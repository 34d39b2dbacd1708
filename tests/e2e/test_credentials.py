"""Credentials from services that verify what they are shown: an OpenID provider, Entra, Google, moto's STS."""

import stat
from configparser import ConfigParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import boto3
import pytest
from filter_gateway import Answer, Upstream
from token_services import (
    POLICY,
    Desk,
    OpenIdProvider,
    ServiceAccount,
    entra,
    google,
    moto_server,
    opaque,
    openid_provider,
    service_account,
)

from anygate.credentials.delivery import Delivery, keys_file
from anygate.credentials.endpoints import Endpoints
from anygate.credentials.fetch import fetch
from anygate.credentials.oidc import fetch_identity
from anygate.credentials.problem import FetchProblem
from anygate.credentials.sources import Outside, Secrets
from anygate.credentials.token import AwsKeys, Token
from anygate.credentials.wanted import Wanted
from anygate.model.inference import AwsExchange, AzureToken, GcpFederation, GcpToken
from anygate.model.tls import Opaque

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
AUDIENCE = "//iam.googleapis.com/projects/42/locations/global/workloadIdentityPools/pool/providers/idp"
ROLE = "arn:aws:iam::123456789012:role/bedrock"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def provider():
    with openid_provider() as running:
        yield running


@pytest.fixture(scope="module")
def account() -> ServiceAccount:
    return service_account("robot@shop.iam.gserviceaccount.com")


def wanted(source: Any, *secrets: Opaque, **fields: Any) -> Wanted:
    values = tuple((one.name, one.value) for one in secrets)
    return Wanted("default/cloud", source, POLICY, secrets=values, **fields)


async def fetch_token(source: Any, *secrets: Opaque, **endpoints: Any) -> Token:
    found = await fetch(wanted(source, *secrets), Outside(Endpoints(**endpoints)))
    assert isinstance(found, Token)
    return found


def secrets_of(*secrets: Opaque) -> Secrets:
    return Secrets({one.name: one.value for one in secrets})


# an OpenID provider


async def test_a_client_gets_a_token_by_discovery(provider: OpenIdProvider) -> None:
    token = await fetch_identity(provider.client(scopes=("gateway",)), secrets_of(provider.secret), Outside())
    claims = provider.verify(token)
    assert claims["sub"] == provider.client_id
    # Those of the policy first, then everything that the provider offers.
    assert claims["scope"] == "gateway openid profile email address phone"


async def test_a_client_that_sends_its_secret_in_the_form() -> None:
    with openid_provider("client_secret_post") as idp:
        token = await fetch_identity(idp.client(), secrets_of(idp.secret), Outside())
        assert idp.verify(token)["sub"] == idp.client_id


async def test_a_configured_token_endpoint_does_without_discovery(provider: OpenIdProvider) -> None:
    client = provider.client(token_endpoint=f"{provider.issuer}/oauth2/token")
    outside = Outside()
    assert provider.verify(await fetch_identity(client, secrets_of(provider.secret), outside))


async def test_a_wrong_secret_is_refused_without_being_shown(provider: OpenIdProvider) -> None:
    with pytest.raises(FetchProblem, match=r"^localhost answered 401: invalid_client") as caught:
        await fetch_identity(provider.client(), secrets_of(opaque("oidc", "wrong-secret")), Outside())
    assert "wrong-secret" not in str(caught.value)


# Microsoft Entra


async def test_entra_knows_a_client_by_its_secret() -> None:
    desk = Desk()
    source = AzureToken(tenant="t-1", client_id="gateway", secret="azure")
    with entra(desk, tenant="t-1", client="gateway", secret="s3cr3t+/ value") as service:
        url = f"http://127.0.0.1:{service.port}"
        token = await fetch_token(source, opaque("azure", "s3cr3t+/ value\n"), azure=url)
        assert desk.accepts(token.value.reveal_text())
        assert token.life == 3600
        with pytest.raises(FetchProblem, match="AADSTS7000215") as caught:
            await fetch_token(source, opaque("azure", "not this"), azure=url)
    assert "not this" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_entra_knows_a_client_by_a_token_of_a_provider(provider: OpenIdProvider) -> None:
    desk = Desk(provider)
    source = AzureToken(tenant="t-1", client_id="gateway", oidc=provider.client())
    with entra(desk, tenant="t-1", client="gateway") as service:
        token = await fetch_token(source, provider.secret, azure=f"http://127.0.0.1:{service.port}")
    assert desk.accepts(token.value.reveal_text())
    assert desk.claims[0]["sub"] == provider.client_id
    assert "client_secret" not in desk.forms[0]


# Google


async def test_google_knows_a_service_account_by_its_key(account: ServiceAccount) -> None:
    desk = Desk()
    with google(desk, account=account) as service:
        file = opaque("file", account.file(f"http://127.0.0.1:{service.port}/token"))
        token = await fetch_token(GcpToken(file="file"), file)
        assert desk.accepts(token.value.reveal_text())
        forged = service_account(account.email)
        file = opaque("file", forged.file(f"http://127.0.0.1:{service.port}/token"))
        with pytest.raises(FetchProblem, match=r"answered 400: invalid_grant: Invalid JWT Signature$"):
            await fetch_token(GcpToken(file="file"), file)


def federation(provider: OpenIdProvider, **fields: Any) -> GcpToken:
    made = GcpFederation(
        project_id="42", project_name="shop", pool="pool", provider="idp", oidc=provider.client(), **fields
    )
    return GcpToken(federation=made)


async def test_google_exchanges_a_token_of_a_provider(provider: OpenIdProvider) -> None:
    desk = Desk(provider)
    with google(desk, audience=AUDIENCE) as service:
        url = f"http://127.0.0.1:{service.port}/v1/token"
        token = await fetch_token(federation(provider), provider.secret, google_sts=url)
    assert desk.accepts(token.value.reveal_text())
    assert desk.claims[0]["sub"] == provider.client_id


async def test_google_lets_a_federated_identity_act_as_a_service_account(provider: OpenIdProvider) -> None:
    desk = Desk(provider, lives=[600, 1800])
    with google(desk, audience=AUDIENCE) as service:
        url = f"http://127.0.0.1:{service.port}/v1"
        urls = {"google_sts": f"{url}/token", "google_iam": url}
        source = federation(provider, service_account="runner")
        token = await fetch_token(source, provider.secret, **urls)
        assert (token.value.reveal_text(), 1790 < token.life <= 1800) == ("token-1", True)
        with pytest.raises(FetchProblem, match="answered 403: PERMISSION_DENIED: Permission"):
            await fetch_token(federation(provider, service_account="other"), provider.secret, **urls)


async def test_default_credentials_of_a_user(tmp_path: Path) -> None:
    desk = Desk()
    file = tmp_path / "application_default_credentials.json"
    file.write_text(
        '{"type": "authorized_user", "client_id": "cli", "client_secret": "not-so-secret", "refresh_token": "1//r"}'
    )
    with google(desk) as service:
        url = f"http://127.0.0.1:{service.port}/token"
        for where in ({"google_folder": tmp_path}, {"google_file": file}):
            token = await fetch_token(GcpToken(), google_token=url, **where)
            assert desk.accepts(token.value.reveal_text())


async def test_default_credentials_of_the_machine(tmp_path: Path) -> None:
    desk = Desk()
    with google(desk) as service:
        url = f"http://127.0.0.1:{service.port}"
        token = await fetch_token(GcpToken(), google_metadata=url, google_folder=tmp_path)
    assert desk.accepts(token.value.reveal_text())


async def test_a_file_that_the_environment_names_is_not_passed_over(tmp_path: Path) -> None:
    with google(Desk()) as service:
        url = f"http://127.0.0.1:{service.port}"
        with pytest.raises(FetchProblem, match=r"cannot read .*gone\.json: No such file"):
            await fetch_token(GcpToken(), google_metadata=url, google_file=tmp_path / "gone.json")


# AWS


async def test_keys_of_a_role_work_with_an_aws_client(provider: OpenIdProvider, tmp_path: Path) -> None:
    source = AwsExchange(name="default/aws", role=ROLE, session="ai-gateway-aws", oidc=provider.client())
    one = wanted(source, provider.secret, region="eu-west-1")
    with moto_server() as url:
        keys = await fetch(one, Outside(Endpoints(aws_sts=url)))
        assert isinstance(keys, AwsKeys)
        assert 3500 < keys.life <= 3600
        Delivery(tmp_path).put(one, keys)
        file = keys_file(tmp_path, "default/cloud")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        read = ConfigParser()
        read.read(file)
        section = {key: read["default"][key] for key in read["default"]}
        client = boto3.client("sts", endpoint_url=url, region_name="eu-west-1", **section)
        assert client.get_caller_identity()["Arn"] == "arn:aws:sts::123456789012:assumed-role/bedrock/ai-gateway-aws"


async def test_what_the_service_says_of_a_role_that_may_not_be_assumed(provider: OpenIdProvider) -> None:
    words = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    space = "https://sts.amazonaws.com/doc/2011-06-15/"
    refusal = f"""<ErrorResponse xmlns="{space}"><Error><Type>Sender</Type><Code>AccessDenied</Code>
        <Message>{words}</Message></Error><RequestId>1</RequestId></ErrorResponse>"""
    source = AwsExchange(name="default/aws", role=ROLE, session="s", oidc=provider.client())
    with Upstream("sts", lambda _: (403, {"content-type": "text/xml"}, refusal.encode())) as service:
        outside = Outside(Endpoints(aws_sts=f"http://127.0.0.1:{service.port}"))
        with pytest.raises(FetchProblem, match=rf"^127\.0\.0\.1 answered 403: AccessDenied: {words}$"):
            await fetch(wanted(source, provider.secret, region="eu-west-1"), outside)
        form = dict(parse_qsl(service.seen[0]["body"]))
    assert provider.verify(form.pop("WebIdentityToken"))
    assert form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "s-",
    }


async def test_requests_go_through_the_proxy_of_their_vendor() -> None:
    desk = Desk()
    asked = []

    def answer(request: dict[str, Any]) -> Answer:
        asked.append(request["path"])
        return desk.issue()

    with Upstream("proxy", answer) as proxy:
        environment = {
            "AI_GATEWAY_AZURE_PROXY_URL": f"http://127.0.0.1:{proxy.port}",
            "AZURE_AUTHORITY_HOST": "http://login.example/",
        }
        source = AzureToken(tenant="t", client_id="c", secret="azure")
        outside = Outside(Endpoints.from_environment(environment))
        assert await fetch(wanted(source, opaque("azure", "s")), outside)
    assert asked == ["http://login.example/t/oauth2/v2.0/token"]
