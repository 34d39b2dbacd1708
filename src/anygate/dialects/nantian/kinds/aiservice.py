"""AIService: a model at a provider, as what a route sends requests to."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationError
from pydantic_core import PydanticCustomError

from anygate.dialects.nantian.kinds.values import GROUP
from anygate.manifests.fields import GoDuration, HeaderName, parse_go_duration
from anygate.manifests.kind import Kind, Many, Node, ObjectName
from anygate.manifests.sensitive import Sensitive
from anygate.urls import split_url

AuthType = Literal["bearer", "basic", "apikey", "custom", "query", "aws", "none"]
Backoff = Literal["exponential", "linear", "fixed"]
_AUTH_WORDS: Mapping[str, AuthType] = {
    "header": "custom",
    "queryparameter": "query",
    "awssigv4": "aws",
    "sigv4": "aws",
    **{one: one for one in ("bearer", "basic", "apikey", "custom", "query", "aws", "none")},
}
_SEPARATORS = re.compile(r"[-_ ]")
_CURVES: tuple[Backoff, ...] = ("exponential", "linear", "fixed")


def fold(word: str) -> str:
    """A word as all its spellings are: `api-key`, `ApiKey` and `API_KEY` are `apikey`."""
    return _SEPARATORS.sub("", word).lower()


def _fold_auth(value: object) -> object:
    return _AUTH_WORDS.get(fold(value), value) if isinstance(value, str) else value


def _check_url(value: str) -> str:
    parts = split_url(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.fragment:
        raise ValueError("expected http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]")
    return value


def _check_backoff(value: str) -> str:
    if value not in _CURVES:
        parse_go_duration(value)
    return value


Url = Annotated[str, AfterValidator(_check_url)]


class SecretKey(Node):
    """A key of a Secret in the same namespace; without `key` its only one."""

    secret: ObjectName
    key: str | None = None


def _read_text_or_key(value: object) -> object:
    if isinstance(value, str):
        return Sensitive(value.encode())
    try:
        return SecretKey.model_validate(value)
    except ValidationError:
        raise PydanticCustomError("text_or_key", "expected a text, or the name of a `secret` and its `key`") from None


TextOrKey = Annotated[Sensitive | SecretKey, PlainValidator(_read_text_or_key)]
"""A text, or where in a Secret it stands."""


class Auth(Node):
    """How requests prove who they are. `parameter`, `region` and `service` are anygate's own."""

    type: Annotated[AuthType, BeforeValidator(_fold_auth)] | None = None
    secret: ObjectName | None = None
    key: str | None = None
    header: HeaderName | None = None
    parameter: str | None = Field(None, min_length=1)
    region: str | None = Field(None, min_length=1)
    service: str | None = Field(None, min_length=1)


class Retries(Node):
    """How often a request is tried again, and a pause before that, or the curve of pauses."""

    max_retries: int = Field(0, ge=0, le=10)
    backoff: Annotated[str, AfterValidator(_check_backoff)] | None = None


class Langfuse(Node):
    """Where generations are sent, without what was said and answered."""

    host: Url | None = None
    public_key: TextOrKey | None = None
    secret_key: TextOrKey | None = None


class Otel(Node):
    """Where spans are sent."""

    endpoint: Url | None = None
    service_name: str | None = None


class Observability(Node):
    """What is told of each request, and to whom."""

    langfuse: Langfuse | None = None
    otel: Otel | None = None


class Standby(Node):
    """A model that is asked when another has failed."""

    model: str = Field(min_length=1)
    on_timeout: bool | None = Field(None, alias="on_timeout")
    on_status: Many[Annotated[int, Field(ge=400, le=599)]] = Field((), alias="on_status")
    max_retries: int = Field(0, ge=0, le=10, alias="max_retries")


class Chain(Node):
    """The models that are asked one after the other when `primary` has failed."""

    primary: str | None = None
    fallbacks: Many[Standby] = ()


class Fallback(Node):
    """The chains of a service; one without `primary` is for its own model."""

    enabled: bool = True
    chains: Many[Chain] = ()


class Price(Node):
    """What 1,000 tokens cost. Two spellings of each."""

    input_per_1k: float | None = Field(None, ge=0, alias="inputPer1k")
    output_per_1k: float | None = Field(None, ge=0, alias="outputPer1k")
    input_price_per_1k: float | None = Field(None, ge=0, alias="inputPricePer1K")
    output_price_per_1k: float | None = Field(None, ge=0, alias="outputPricePer1K")
    currency: str = "USD"

    @property
    def given(self) -> tuple[float, float]:
        """For input and for output."""
        return (
            self.input_per_1k if self.input_per_1k is not None else self.input_price_per_1k or 0.0,
            self.output_per_1k if self.output_per_1k is not None else self.output_price_per_1k or 0.0,
        )


class Pricing(Node):
    """Prices by model."""

    enabled: bool = True
    pricing: dict[str, Price] = Field({})


class Variant(Node):
    """A model that takes a share of the requests."""

    name: str | None = None
    model: str = Field(min_length=1)
    weight: int = Field(1, ge=0, le=1_000_000)
    config: Any = None
    max_tokens: Any = None


class AbTesting(Node):
    """Models that share the requests of a service out among them."""

    enabled: bool = True
    experiment_id: str | None = None
    variants: Many[Variant] = ()


class ModelRouting(Node):
    """The same in the words of routing."""

    enabled: bool = True
    routes: Many[Variant] = ()
    strategy: Any = None
    fallback: Any = None


class Guard(Node):
    """What prompts must not say; `custom_patterns` are regular expressions that take the place of the usual ones."""

    enabled: bool = True
    mode: Literal["block", "warn", "log"] = "block"
    custom_patterns: Many[str] = ()
    keywords: Many[Annotated[str, Field(min_length=1)]] = ()


class AIServiceSpec(Node):
    """The provider, its model, and how it is reached. What only the guides mention has two spellings each."""

    provider: str = Field(min_length=1)
    model: str = Field(min_length=1)
    format: str | None = None
    endpoint: Url | None = None
    auth: Auth = Auth.model_construct()
    timeout: GoDuration | None = None
    retry: Retries = Retries.model_construct()
    observability: Observability = Observability.model_construct()
    # `tokens.py` reads it as a TokenPolicy that targets this service.
    token_policy_ref: Any = None
    fallback: Fallback | None = None
    cost: Pricing | None = None
    cost_tracking: Pricing | None = None
    model_routing: ModelRouting | None = None
    routing: ModelRouting | None = None
    semantic_cache: Any = None
    cache: Any = None
    prompt_guard: Guard | None = None
    guard: Guard | None = None
    content_safety: Any = None
    safety: Any = None
    pii_masking: Any = None
    pii: Any = None
    ab_testing: AbTesting | None = None
    tenants: Any = None
    multi_tenant: Any = None


class AIService(Kind):
    """A model at a provider."""

    GROUP: ClassVar[str] = GROUP
    KIND: ClassVar[str] = "AIService"
    PRUNES_UNKNOWN: ClassVar[bool] = True

    spec: AIServiceSpec
