"""A real Envoy that reports AI requests to the real services process, with simulated providers behind it.

The chain is put together here, so that these tests look at accounting alone: it reads the model, remembers the
caller's key and counts usage, as the built one does.
"""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from filter_gateway import DEADLINE, MANAGER, OPTIONS, ROUTER, Gateway, running

from anygate.envoy.access_log import backend_facts, build_access_logs, build_caller_filter, rule_facts
from anygate.envoy.api import any_of, bool_value, build, struct, to_json, typed
from anygate.envoy.filters.filter import enable
from anygate.envoy.filters.stream_start import StreamStartFilter
from anygate.envoy.names import FACTS, MODEL_KEY, MODEL_NAMESPACE, ORIGIN, SERVICES
from anygate.envoy.recording import Recording, Tracing
from anygate.envoy.tracing import build_tracing
from anygate.model.inference import Cost, Inference, ModelEndpoint, Provider
from anygate.model.listener import Server
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRule
from anygate.providers.paths import ENDPOINT_PATHS
from anygate.store.row import UsageRow
from anygate.store.usage import UsageStore
from anygate.stubs.providers import ProviderStub

AI = Origin("AIGatewayRoute", "default", "ai")
EXTENSION = "envoy.extensions.filters.http."
PROVIDER_KEY = "Bearer the-provider's-own-key"
PROTOCOLS = {"messages": "ANTHROPIC_MESSAGES", "responses": "OPENAI_RESPONSES"}


def rule(endpoint: ModelEndpoint, costs: Mapping[str, str] | None = None, route: str = "default/ai") -> HttpRule:
    made = tuple(Cost(origin=AI, key=key, expression=text) for key, text in (costs or {}).items())
    inference = Inference(origin=AI, endpoint=endpoint, route=route, costs=made)
    return HttpRule(origin=AI, name=endpoint, action=Forward(origin=AI), inference=inference)


def provider(name: str, form: str, model: str = "") -> Provider:
    return Provider(origin=AI, name=f"default/{name}", format=form, model=model)


def config(
    rules: Sequence[HttpRule],
    ports: Mapping[str, int],
    services: Path | None,
    *,
    access_log: str = "",
    recording: Recording | None = None,
    tracing: Tracing | None = None,
) -> dict[str, Any]:
    """The bootstrap; `ports` are those of the providers `openai` and `anthropic`."""
    recording = recording or Recording()
    manager = typed(
        MANAGER,
        stat_prefix="web",
        generate_request_id=bool_value(True),
        http_filters=_filters(rules, recording),
        route_config={"name": "web", "virtual_hosts": [{"name": "any", "domains": ["*"], "routes": _routes(rules)}]},
        access_log=build_access_logs(access_log, rules, recording if services else None),
        tracing=build_tracing(rules, tracing),
    )
    listener = build(
        "envoy.config.listener.v3.Listener",
        name="web",
        address=_tcp(0),
        filter_chains=[{"filters": [{"name": "http", "typed_config": manager}]}],
    )
    clusters = [
        _cluster("openai", _tcp(ports["openai"]), provider("openai", "OpenAI")),
        _cluster("anthropic", _tcp(ports["anthropic"]), provider("anthropic", "Anthropic", "claude-override")),
    ]
    if services:
        clusters.append(_cluster(SERVICES, {"pipe": {"path": str(services)}}))
    made = build(
        "envoy.config.bootstrap.v3.Bootstrap",
        node={"id": "test", "cluster": "test"},
        admin={"address": _tcp(0)},
        static_resources={"listeners": [listener], "clusters": clusters},
    )
    return to_json(made)


def _filters(rules: Sequence[HttpRule], recording: Recording) -> list[dict[str, Any]]:
    found = {"metadata_namespace": MODEL_NAMESPACE, "key": MODEL_KEY}
    reading = {
        "selectors": [{"key": "model"}],
        "on_present": found,
        "on_missing": {**found, "value": {"string_value": "-"}},
        "on_error": {**found, "value": {"string_value": "!"}},
    }
    entries = StreamStartFilter().chain(Server(origin=AI, name="web", protocol="http"), rules)
    return [
        {
            **_filter("model", "json_to_metadata.v3.JsonToMetadata", request_rules={"rules": [reading]}),
            "disabled": True,
        },
        *build_caller_filter(rules, recording),
        *({"name": one.name, "typed_config": any_of(one.config), "disabled": one.disabled} for one in entries),
        _filter("usage", "ai_protocol_manager.v3.AiProtocolManager", response_handling={"token_usage": {}}),
        {"name": "router", "typed_config": typed(ROUTER)},
    ]


def _filter(name: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": typed(EXTENSION + kind, **fields)}


def _routes(rules: Sequence[HttpRule]) -> list[dict[str, Any]]:
    made = []
    for one in rules:
        assert one.inference is not None
        endpoint = one.inference.endpoint
        protocol = PROTOCOLS.get(endpoint, "OPENAI_CHAT_COMPLETIONS")
        usage = typed(
            EXTENSION + "ai_protocol_manager.v3.AiProtocolManagerPerRoute", response={"llm_protocol": protocol}
        )
        settings = {name: any_of(found) for name, found in StreamStartFilter().route(one).items()}
        made += [
            {
                "name": f"{AI.object}/rule/{one.name}/match/0",
                "match": {"path": path},
                "metadata": {
                    "filter_metadata": {ORIGIN: struct({"place": "ai.yaml:1", FACTS: rule_facts(one.inference)})}
                },
                "route": {"cluster": "anthropic" if endpoint == "messages" else "openai", "timeout": {"seconds": 60}},
                "typed_per_filter_config": {"model": any_of(enable()), "usage": usage, **settings},
            }
            for path in ENDPOINT_PATHS[endpoint]
        ]
    plain = {"name": "plain", "match": {"path": "/plain"}, "direct_response": {"status": 200}}
    unknown = {
        "name": "unknown",
        "match": {"prefix": "/"},
        "direct_response": {"status": 404},
        "typed_per_filter_config": {"model": any_of(enable())},
    }
    return [*made, plain, unknown]


def _tcp(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _cluster(name: str, address: Mapping[str, Any], found: Provider | None = None) -> dict[str, Any]:
    """A cluster whose upstream filters put a credential on, where it is a provider's."""
    facts = {ORIGIN: struct({FACTS: backend_facts(found)})} if found else {}
    if found:
        value = {
            "header": {"key": "authorization", "value": PROVIDER_KEY},
            "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
        }
        edits = {"request_mutations": [{"append": value}, {"remove": "x-api-key"}]}
        filters = [
            _filter("credential", "header_mutation.v3.HeaderMutation", mutations=edits),
            _filter("codec", "upstream_codec.v3.UpstreamCodec"),
        ]
        options = typed(OPTIONS, explicit_http_config={"http_protocol_options": {}}, http_filters=filters)
    else:
        options = typed(OPTIONS, explicit_http_config={"http2_protocol_options": {}})
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": {"seconds": 2},
        "metadata": {"filter_metadata": facts},
        "typed_extension_protocol_options": {OPTIONS: options},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }


class Services:
    """The services process. It may be ended and started again in the middle."""

    def __init__(self, folder: Path, *words: str, env: Mapping[str, str] | None = None) -> None:
        self.socket = folder / "services.sock"
        self.usage = folder / "usage.db"
        self._command = [
            *(sys.executable, "-W", "error", "-m", "anygate.services"),
            *("--socket", str(self.socket), "--usage", str(self.usage), *words),
        ]
        self._env = env
        self._errors = (folder / "services.err").open("ab")
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=self._errors, text=True, env=self._env
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", Path(self._errors.name).read_text()

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def said(self) -> str:
        return Path(self._errors.name).read_text()

    def close(self) -> None:
        self.stop()
        self._errors.close()

    def rows(self, count: int) -> list[UsageRow]:
        """The rows, once there are as many as that."""
        rows = self._await(lambda found: len(found) >= count)
        assert len(rows) == count, rows
        return rows

    def row_with(self, **fields: Any) -> UsageRow:
        """The first row with those fields, once there is one."""

        def matching(rows: list[UsageRow]) -> list[UsageRow]:
            return [row for row in rows if all(getattr(row, name) == value for name, value in fields.items())]

        return matching(self._await(matching))[0]

    def _await(self, wanted: Callable[[list[UsageRow]], object]) -> list[UsageRow]:
        store = UsageStore(self.usage, read_only=True)
        pause = threading.Event()
        end = time.monotonic() + DEADLINE
        while not wanted(rows := store.rows()) and time.monotonic() < end:
            pause.wait(0.05)  # SQLite tells nobody of what others write
        assert wanted(rows), rows
        return rows


class Running:
    """The whole: Envoy, its services and the providers."""

    def __init__(self, envoy: Gateway, client: httpx2.Client, services: Services, bootstrap: Mapping[str, Any]) -> None:
        self.envoy = envoy
        self.client = client
        self.services = services
        self._bootstrap = bootstrap

    @contextmanager
    def another_envoy(self) -> Iterator[httpx2.Client]:
        """Run a second Envoy with the same configuration."""
        with running(self._bootstrap) as envoy, httpx2.Client(base_url=envoy.url, timeout=DEADLINE) as client:
            yield client

    def post(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> httpx2.Response:
        return self.client.post(path, json=body, headers={"anthropic-version": "2023-06-01", **(headers or {})})


@contextmanager
def providers() -> Iterator[dict[str, int]]:
    """The simulated providers, in a loop of their own, with their ports."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    stubs = {name: ProviderStub(name, "llm", "ai", is_open=True) for name in ("openai", "anthropic")}
    try:
        yield {
            name: asyncio.run_coroutine_threadsafe(stub.listen(), loop).result(DEADLINE)[1]
            for name, stub in stubs.items()
        }
    finally:
        for stub in stubs.values():
            asyncio.run_coroutine_threadsafe(stub.stop(0.0), loop).result(DEADLINE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()


@contextmanager
def usage_gateway(
    folder: Path,
    rules: Sequence[HttpRule],
    *words: str,
    env: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Running]:
    """Run everything; `words` go to the services, `options` are those of `config`."""
    with ExitStack() as stack:
        ports = stack.enter_context(providers())
        services = Services(folder, *words, env=env)
        stack.callback(services.close)
        services.start()
        bootstrap = config(rules, ports, services.socket, **options)
        envoy = stack.enter_context(running(bootstrap))
        client = stack.enter_context(httpx2.Client(base_url=envoy.url, timeout=DEADLINE))
        yield Running(envoy, client, services, bootstrap)
