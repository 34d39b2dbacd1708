"""Where limits look for who calls."""

from datetime import timedelta

from anygate.envoy.filters.limit_actions import build_actions
from anygate.model.limits import LimitRule, LimitSelector
from anygate.model.origin import Origin
from anygate.model.security import ApiKeyAuth, Jwt, JwtProvider, Security

HERE = Origin("TokenPolicy", "default", "a")


def places(scope: str, security: Security | None = None) -> list[str]:
    """The headers and the keys of metadata, in the order in which they are believed."""
    selector = LimitSelector(distinct_callers=scope)  # type: ignore[arg-type]
    limit = LimitRule(origin=HERE, requests=1, unit=timedelta(minutes=1), selectors=(selector,))
    found = []
    for action in build_actions(limit, security):
        [(kind, said)] = action.items()
        assert said["skip_if_absent"], "one that is absent must not keep the request from being counted"
        is_header = kind == "request_headers"
        found.append(said["header_name"] if is_header else said["metadata_key"]["path"][-1]["key"])
    return found


def test_a_credential_is_the_first_that_a_request_carries() -> None:
    assert places("credential") == ["authorization", "x-api-key", "api-key"]


def test_a_checked_caller_stands_in_for_a_credential_that_was_taken_off() -> None:
    checks = Security(
        origin=HERE,
        api_key=ApiKeyAuth(origin=HERE, secrets=("a",), forward_header="x-client", sanitize=True),
        jwt=Jwt(origin=HERE, providers=(JwtProvider(origin=HERE, name="idp"),)),
    )
    assert places("credential", checks)[3:] == ["sub", "x-client"]
    assert places("user", checks) == ["user", "user_id", "sub", "x-client"]


def test_a_model_is_the_one_that_was_asked_for() -> None:
    assert places("model") == ["x-ai-eg-model"]
