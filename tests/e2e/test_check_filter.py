"""Rules with checks where nobody makes them: requests never pass, whatever the rule would do with them."""

from datetime import timedelta
from typing import Any

from filter_gateway import gateway, opaque, origin, rule, security, server

from anygate.model.checks import CsrfCheck

FORM = CsrfCheck(origin=origin("c"), secret="form", name="x-token", lifetime=timedelta(hours=1))
CHECKED = rule("checked", security=security(checks=(FORM,)))
SECRETS = opaque(form="key-of-forms")


def statuses(**options: Any) -> list[int]:
    """What is answered to a request that is checked, and to one that is not."""
    routes = {"/checked": CHECKED, "/open": rule("open")}
    with gateway(routes, secrets=SECRETS, at=server(caller_headers=("x-caller",)), **options) as (_, client, echo):
        found = [client.get(path).status_code for path in routes]
        assert [one["path"] for one in echo.seen] == ["/open"]
        return found


def test_without_the_service_requests_are_refused() -> None:
    assert statuses() == [503, 200]


def test_a_chain_from_before_the_check_refuses() -> None:
    assert statuses(chain_rules=[rule("open")]) == [403, 200]


def test_rules_that_answer_themselves_are_checked_too() -> None:
    respond = {"route": None, "direct_response": {"status": 299}}
    assert statuses(overrides={"/checked": respond}) == [503, 200]
