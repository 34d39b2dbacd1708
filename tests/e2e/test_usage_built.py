"""Accounting through the whole of what is built for Envoy: entrances, model reading, failover and refusals."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from ai_gateway import (
    Provider,
    Served,
    _free_port,
    ai_rule,
    backend,
    one_server,
    origin,
    plain_rule,
    route,
    serving,
    target,
)
from usage_gateway import Services, rule

from anygate.envoy.placement import Placement, Socket
from anygate.model import inference
from anygate.model.retry import Retry
from anygate.model.root import Model
from anygate.services.access_log.entry import hash_key

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
ANSWER = json.dumps({"object": "chat.completion", "model": "gpt-real", "choices": [], "usage": USAGE})
JSON = (("content-type", "application/json"),)
COSTS = {"money": "input_tokens * 2 + (backend == 'second.default' ? 1000 : 0)"}


def spoken(name: str, port: int, model: str = "") -> object:
    provider = inference.Provider(origin=origin(name), name=f"default/{name}", format="OpenAI", model=model)
    return backend(name, port, provider=provider)


@contextmanager
def accounting(folder: Path) -> Iterator[tuple[Served, Services]]:
    """A gateway whose first provider fails for the model `gpt-b`, and the services that account for it."""
    with ExitStack() as stack:
        first = stack.enter_context(Provider("first", 200, JSON, ANSWER))
        failing = stack.enter_context(Provider("failing", 503))
        second = stack.enter_context(Provider("second", 200, JSON, ANSWER))
        costs = rule("chat", COSTS).inference
        assert costs is not None
        rules = [
            msgspec.structs.replace(one, inference=costs)
            for one in (
                ai_rule("gpt-a", "first"),
                ai_rule(
                    "gpt-b",
                    target("failing"),
                    target("second", priority=1),
                    retry=Retry(origin=origin("retry"), attempts=2, statuses=(503,)),
                ),
            )
        ]
        ai = route("ai", *rules, plain_rule("/plain", "first"))
        backends = (
            spoken("first", first.port, "gpt-override"),
            spoken("failing", failing.port),
            spoken("second", second.port),
        )
        services = Services(folder)
        stack.callback(services.close)
        services.start()
        sockets = {"web/80": Socket("127.0.0.1", _free_port())}
        placement = Placement("127.0.0.1", sockets, services=str(services.socket))
        model = Model(gateways=(one_server(ai),), backends=backends)  # type: ignore[arg-type]
        yield stack.enter_context(serving(model, placement)), services


def test_every_ai_request_has_one_row_that_says_what_became_of_it(tmp_path: Path) -> None:
    with accounting(tmp_path) as (served, services):
        key = {"authorization": "Bearer sk-mine", "x-ai-eg-model": "spoofed"}
        assert served.ask("gpt-a", headers=key).status_code == 200
        (row,) = services.rows(1)
        assert (row.route, row.endpoint, row.provider, row.model) == ("default/ai", "chat", "default/first", "gpt-a")
        assert (row.sent_model, row.answered_model, row.total_tokens) == ("gpt-override", "gpt-real", 15)
        assert (row.key_hash, row.costs, row.outcome) == (hash_key("sk-mine"), {"money": 20}, "ok")

        assert served.ask("gpt-b").status_code == 200
        row = services.rows(2)[-1]
        # What was tried before it is no request of its own; what counts is who answered.
        assert (row.provider, row.attempts, row.costs, row.key_hash) == ("default/second", 2, {"money": 1020}, "")

        assert served.ask("no-such-model").status_code == 404
        row = services.rows(3)[-1]
        assert (row.model, row.outcome, row.total_tokens, row.provider) == ("no-such-model", "refused", None, "")

        assert served.ask(content=b"{oops").status_code == 400
        row = services.rows(4)[-1]
        assert (row.model, row.outcome) == ("", "refused")

        assert served.client.get("/plain").status_code == 200
        assert served.ask("gpt-a").status_code == 200
        assert [one.outcome for one in services.rows(5)] == ["ok", "ok", "refused", "refused", "ok"]
