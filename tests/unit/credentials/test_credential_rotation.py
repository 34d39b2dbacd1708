"""When credentials are renewed, what is wanted of a model, and how what is fetched is delivered."""

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anygate.credentials.delivery import Delivery, keys_file
from anygate.credentials.endpoints import Endpoints
from anygate.credentials.fetch import fetch
from anygate.credentials.findings import describe_recovery, report_failure
from anygate.credentials.problem import FetchProblem
from anygate.credentials.rotation import Event, Failed, Fetched, Rotation, WallClock
from anygate.credentials.schedule import renew_after, retry_after
from anygate.credentials.sources import Outside
from anygate.credentials.token import AwsKeys, Credential, Token
from anygate.credentials.wanted import Wanted, find_wanted
from anygate.diagnostics import Report, Severity, SourceFile
from anygate.envoy.snapshot import SECRET, Snapshot, resource
from anygate.envoy.upstream.files import PENDING
from anygate.manifests.sensitive import Sensitive
from anygate.model import Model, Origin
from anygate.model.backend import Backend
from anygate.model.inference import (
    AwsCredential,
    AwsExchange,
    AzureToken,
    GcpFederation,
    GcpToken,
    OidcClient,
    Provider,
    TokenCredential,
)
from anygate.model.tls import Opaque

anyio = pytest.mark.anyio
POLICY = Origin("BackendSecurityPolicy", "default", "azure", "spec", "cloud.yaml", 7, 3)
OIDC = OidcClient(issuer="https://idp.example", client_id="c", secret="default/oidc")
AZURE = AzureToken(tenant="t", client_id="c", secret="default/azure")
AWS = AwsExchange(name="default/aws", role="r", session="s", oidc=OIDC)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# the schedule


@pytest.mark.parametrize(
    ("life", "chance", "wait"),
    [(3600, 0, 3300), (3600, 1, 3270), (601, 0, 301), (600, 0, 300), (60, 0, 30), (60, 1, 27), (0.1, 1, 0.25)],
)
def test_renewal_is_five_minutes_early_or_at_half_of_a_short_life(life: float, chance: float, wait: float) -> None:
    assert renew_after(life, chance) == wait


@pytest.mark.parametrize(
    ("left", "chance", "wait"), [(0, 0, 60), (-5, 1, 66), (3600, 0, 60), (100, 0, 50), (30, 1, 15), (1, 0, 1)]
)
def test_a_failed_attempt_is_repeated_after_a_minute_or_before_the_credential_runs_out(
    left: float, chance: float, wait: float
) -> None:
    assert retry_after(left, chance) == wait


@given(st.floats(1, 86_400), st.floats(0, 1))
def test_a_credential_is_renewed_while_it_is_good(life: float, chance: float) -> None:
    assert 0 < renew_after(life, chance) < life


# rotation


class TestClock(WallClock):
    """A clock that stands still until somebody waits for a later time and is allowed to reach it."""

    __test__ = False

    def __init__(self) -> None:
        self.time = 1_000.0
        self._waiting: list[tuple[float, asyncio.Event]] = []
        self._news = asyncio.Event()

    def now(self) -> float:
        return self.time

    async def wait_until(self, when: float) -> None:
        event = asyncio.Event()
        self._waiting.append((when, event))
        self._news.set()
        try:
            await event.wait()
        finally:
            self._waiting.remove((when, event))

    async def next(self) -> float:
        """Let the first who waits go on, and return how long it would have waited."""
        while not self._waiting:
            self._news.clear()
            await asyncio.wait_for(self._news.wait(), 10)
        when, event = min(self._waiting, key=lambda pair: pair[0])
        waited, self.time = when - self.time, max(when, self.time)
        event.set()
        while any(one is event for _, one in self._waiting):  # noqa: ASYNC110 - it takes a turn of the loop, no time
            await asyncio.sleep(0)
        return waited


class Vendor:
    """Hands out tokens, or fails with each of `problems` first."""

    def __init__(self, *problems: str | Exception | None, life: float = 3600) -> None:
        self.problems = list(problems)
        self.life = life
        self.asked: list[str] = []

    async def fetch(self, wanted: Wanted) -> Credential:
        problem = self.problems.pop(0) if self.problems else None
        self.asked.append(wanted.name)
        if problem is not None:
            raise problem if isinstance(problem, Exception) else FetchProblem(problem)
        return Token(Sensitive(f"{wanted.name}-{len(self.asked)}".encode()), self.life)


def wanted(name: str = "a", secret: bytes = b"1", source: Any = AZURE, **fields: Any) -> Wanted:
    return Wanted(name, source, POLICY, secrets=(("default/azure", Sensitive(secret)),), **fields)


class Rig:
    def __init__(self, vendor: Vendor, folder: Path) -> None:
        self.clock = TestClock()
        self.vendor = vendor
        self.changes = 0
        self.events: list[Event] = []
        self.delivery = Delivery(folder, self._count)
        self.rotation = Rotation(vendor.fetch, self.delivery, self.events.append, clock=self.clock, chance=lambda: 0.0)

    def _count(self) -> None:
        self.changes += 1

    @property
    def tokens(self) -> dict[str, str]:
        return {one.name: one.value.reveal_text() for one in self.delivery.tokens}

    async def start(self, *one: Wanted) -> None:
        self.rotation.update(one or [wanted()])
        assert await self.rotation.attempted(10)


@pytest.fixture
async def rig(tmp_path: Path):
    rigs: list[Rig] = []

    def make(*problems: Any, life: float = 3600) -> Rig:
        rigs.append(Rig(Vendor(*problems, life=life), tmp_path))
        return rigs[-1]

    yield make
    for one in rigs:
        await one.rotation.stop()


Make = Callable[..., Rig]


@anyio
async def test_a_token_is_fetched_at_once_and_renewed_before_its_end(rig: Make) -> None:
    made = rig()
    await made.start()
    assert made.tokens == {"a": "Bearer a-1"}
    assert await made.clock.next() == 3300
    assert await made.clock.next() == 3300
    assert made.tokens == {"a": "Bearer a-3"}
    assert made.events == []


@anyio
async def test_until_the_first_token_is_there_the_secret_is_empty(rig: Make) -> None:
    made = rig("no answer", "no answer")
    await made.start()
    assert made.tokens == {"a": ""}
    assert [await made.clock.next(), await made.clock.next()] == [60, 60]
    assert made.tokens == {"a": "Bearer a-3"}
    # The same failure is told once.
    assert made.events == [Failed(wanted(), "no answer"), Fetched(wanted())]


@anyio
async def test_the_last_good_token_stays_while_renewal_fails(rig: Make) -> None:
    made = rig(None, *["down"] * 20, life=1000)
    await made.start()
    waits = [await made.clock.next() for _ in range(7)]
    assert waits == [700, 60, 60, 60, 60, 30, 15]
    assert made.tokens == {"a": "Bearer a-1"}
    assert [event.left for event in made.events if isinstance(event, Failed)] == [300]
    while len(made.events) < 2:
        await made.clock.next()
    assert made.events[1] == Failed(wanted(), "down", 0)


@anyio
async def test_a_mistake_of_ours_does_not_end_renewal_nor_is_it_quoted(rig: Make) -> None:
    made = rig(KeyError("hunter2"))
    await made.start()
    assert made.events == [Failed(wanted(), "unexpected KeyError")]
    await made.clock.next()
    await made.clock.next()
    assert made.tokens == {"a": "Bearer a-3"}


@anyio
async def test_a_reload_keeps_what_did_not_change_and_drops_what_is_gone(rig: Make) -> None:
    made = rig()
    await made.start(wanted("a"), wanted("b"))
    moved = Wanted("a", AZURE, Origin("B", "default", "a", line=99), secrets=wanted().secrets)
    made.rotation.update([moved, wanted("c")])
    assert made.tokens == {"a": "Bearer a-1", "c": ""}
    assert await made.rotation.attempted(10)
    assert made.vendor.asked == ["a", "b", "c"]
    assert made.tokens == {"a": "Bearer a-1", "c": "Bearer c-3"}


@anyio
async def test_a_new_client_secret_replaces_the_token_without_a_gap(rig: Make) -> None:
    made = rig()
    await made.start()
    made.rotation.update([wanted(secret=b"2")])
    assert made.tokens == {"a": "Bearer a-1"}
    assert await made.rotation.attempted(10)
    assert made.tokens == {"a": "Bearer a-2"}


@anyio
async def test_a_token_of_another_identity_is_taken_back_at_once(rig: Make) -> None:
    made = rig(None, "down")
    await made.start()
    made.rotation.update([wanted(source=AzureToken(tenant="other", client_id="c", secret="default/azure"))])
    assert made.tokens == {"a": ""}
    assert await made.rotation.attempted(10)
    assert made.tokens == {"a": ""}


@anyio
async def test_the_wall_clock_waits() -> None:
    clock = WallClock()
    start = clock.now()
    await clock.wait_until(start - 1)
    await clock.wait_until(start + 0.05)
    assert clock.now() >= start + 0.05


# delivery


def keys(text: str = "k") -> AwsKeys:
    return AwsKeys(text, Sensitive(b"secret"), Sensitive(b"session"), 3600)


def test_keys_are_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    delivery, one = Delivery(folder), wanted("default/aws", source=AWS)
    file = keys_file(folder, "default/aws")
    delivery.put(one, None)
    # Without keys Envoy would send requests on unsigned, or sign them with those of somebody else.
    assert file.read_text() == f"[default]\naws_access_key_id = {PENDING}\naws_secret_access_key = {PENDING}\n"
    before = file.stat().st_ino
    delivery.put(one, keys())
    assert file.stat().st_ino != before
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert file.read_text().splitlines() == [
        "[default]",
        "aws_access_key_id = k",
        "aws_secret_access_key = secret",
        "aws_session_token = session",
    ]
    delivery.drop(one)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FetchProblem, match="cannot write the keys to"):
        Delivery(tmp_path / "file").put(wanted("x", source=AWS), keys())


def test_a_name_cannot_leave_the_folder(tmp_path: Path) -> None:
    assert keys_file(tmp_path, "../../etc/x").parent == tmp_path


def test_tokens_join_a_snapshot(tmp_path: Path) -> None:
    delivery = Delivery(tmp_path)
    other = resource(SECRET, "other", b"")
    assert delivery.add_to(Snapshot([other])) == Snapshot([other])
    delivery.put(wanted(), Token(Sensitive(b"t"), 60))
    made = delivery.add_to(Snapshot([other]))
    assert sorted(made[SECRET]) == ["a", "other"]
    assert b"Bearer t" in made[SECRET]["a"].body
    assert delivery.add_to(made) == made
    assert "Bearer t" not in repr(delivery.tokens)


# what a model wants


def backend(name: str, credential: Any, stub: bool = False) -> Backend:
    provider = Provider(origin=POLICY, name=name, format="OpenAI", credential=credential)
    return Backend(origin=POLICY, name=name, service=name, provider=provider, stub=stub)


def opaque(name: str, value: bytes = b"v") -> Opaque:
    return Opaque(origin=POLICY, name=name, value=Sensitive(value))


def test_every_credential_is_wanted_once_with_its_secrets() -> None:
    azure = TokenCredential(origin=POLICY, secret="default/azure", source=AZURE)
    federated = GcpToken(federation=GcpFederation(project_id="1", project_name="p", pool="x", provider="y", oidc=OIDC))
    google = TokenCredential(origin=POLICY, secret="default/gcp", source=federated)
    aws = AwsCredential(origin=POLICY, region="eu-west-1", exchange=AWS)
    static = AwsCredential(origin=POLICY, region="eu-west-1", file="default/file")
    backends = [backend(str(n), one) for n, one in enumerate([azure, azure, google, aws, static, None])]
    secrets = (opaque("default/azure"), opaque("default/oidc"), opaque("default/file"))
    found = find_wanted(Model(backends=tuple(backends), secrets=secrets))
    assert [(one.name, [name for name, _ in one.secrets], one.region) for one in found] == [
        ("default/aws", ["default/oidc"], "eu-west-1"),
        ("default/azure", ["default/azure"], ""),
        ("default/gcp", ["default/oidc"], ""),
    ]


@anyio
async def test_what_only_stubs_need_is_not_fetched() -> None:
    azure = TokenCredential(origin=POLICY, secret="default/azure", source=AZURE)
    aws = AwsCredential(origin=POLICY, region="eu-west-1", exchange=AWS)
    both = (backend("1", azure, stub=True), backend("2", azure), backend("3", aws, stub=True))
    found = find_wanted(Model(backends=both))
    assert [(one.name, one.simulated) for one in found] == [("default/aws", True), ("default/azure", False)]
    made = [await fetch(one, Outside()) for one in found[:1]]
    made += [await fetch(find_wanted(Model(backends=both[:1]))[0], Outside())]
    assert [type(one) for one in made] == [AwsKeys, Token]


@anyio
async def test_a_missing_secret_is_named() -> None:
    one = find_wanted(Model(backends=(backend("1", TokenCredential(origin=POLICY, secret="x", source=AZURE)),)))[0]
    with pytest.raises(FetchProblem, match=r"^the Secret default/azure is not there$"):
        await fetch(one, Outside())


# words


def test_a_failure_names_the_line_of_the_policy() -> None:
    report = Report()
    report_failure(Failed(wanted(), "x answered 401"), [SourceFile("cloud.yaml", "a\n" * 9)], report)
    report_failure(Failed(wanted(), "x answered 401", 240), [], report)
    assert sorted(str(found) for found in report.diagnostics) == [
        "cloud.yaml:7:3: error[credential-not-fetched]: BackendSecurityPolicy/default/azure: no credential: "
        "x answered 401",
        "cloud.yaml:7:3: warning[credential-not-fetched]: BackendSecurityPolicy/default/azure: no credential: "
        "x answered 401",
    ]
    hints = {found.severity: found.hint for found in report.diagnostics}
    assert hints[Severity.WARNING].endswith("the last one is good for another 4 min")
    assert describe_recovery(Fetched(wanted())) == "BackendSecurityPolicy/default/azure: the credential was fetched"


# the environment


def test_endpoints_come_from_the_environment() -> None:
    found = Endpoints.from_environment({}, home=Path("/home/me"))
    assert found == Endpoints(google_folder=Path("/home/me/.config/gcloud"))
    assert found.aws("eu-west-1") == "https://sts.eu-west-1.amazonaws.com"
    assert found.aws("cn-north-1") == "https://sts.cn-north-1.amazonaws.com.cn"
    found = Endpoints.from_environment(
        {
            "AZURE_AUTHORITY_HOST": "https://login.example/",
            "AWS_ENDPOINT_URL": "http://aws.example",
            "AWS_ENDPOINT_URL_STS": "http://sts.example/",
            "GCE_METADATA_HOST": "127.0.0.1:80",
            "GOOGLE_APPLICATION_CREDENTIALS": "/keys/google.json",
            "CLOUDSDK_CONFIG": "/gcloud",
            "AI_GATEWAY_STS_PROXY_URL": "http://proxy.example:1",
            "AI_GATEWAY_GCP_AUTH_PROXY_URL": "http://proxy.example:2",
        }
    )
    assert found == Endpoints(
        azure="https://login.example",
        google_metadata="http://127.0.0.1:80",
        aws_sts="http://sts.example",
        aws_proxy="http://proxy.example:1",
        google_proxy="http://proxy.example:2",
        google_file=Path("/keys/google.json"),
        google_folder=Path("/gcloud"),
    )
    assert found.aws("eu-west-1") == "http://sts.example"
