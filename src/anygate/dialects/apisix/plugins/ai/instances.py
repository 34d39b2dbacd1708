"""Instances of the AI plugins: how they are written, and how their backends are called."""

from typing import Any, Literal
from urllib.parse import quote, unquote

from pydantic import ConfigDict, Field

from anygate.dialects.apisix.plugins.config import Config
from anygate.manifests.fields import SensitiveText
from anygate.model.origin import Origin
from anygate.model.route import Forward, HttpRule

Vendor = Literal[
    "openai",
    "deepseek",
    "azure-openai",
    "anthropic",
    "gemini",
    "vertex-ai",
    "bedrock",
    "openrouter",
    "aimlapi",
    "openai-compatible",
]
_START = "apisix/ai/"


class GcpAuth(Config):
    """A service account; without its file the environment's."""

    service_account_json: SensitiveText | None = None
    max_ttl: int | None = Field(default=None, ge=1)
    expire_early_secs: int | None = Field(default=None, ge=0)


class AwsAuth(Config):
    """Keys by which requests are signed."""

    access_key_id: SensitiveText
    secret_access_key: SensitiveText
    session_token: SensitiveText | None = None


class Auth(Config):
    """What proves to the provider who is asking."""

    header: dict[str, SensitiveText] = Field(default_factory=dict)
    query: dict[str, SensitiveText] = Field(default_factory=dict)
    gcp: GcpAuth | None = None
    aws: AwsAuth | None = None


class Options(Config):
    """Members that every request's body gets."""

    model_config = ConfigDict(extra="allow")

    model: str | None = Field(default=None, min_length=1)


class ModelOptions(Config):
    """What is called differently by each API."""

    max_tokens: int | None = Field(default=None, ge=1)


class Override(Config):
    """Another place or body than the provider's usual one."""

    endpoint: str | None = None
    llm_options: ModelOptions | None = None
    request_body: dict[str, dict[str, Any]] | None = None
    request_body_force_override: bool = False


class VendorSettings(Config):
    """Where a cloud has its models."""

    project_id: str = ""
    region: str = ""


class Logging(Config):
    """What is logged of requests."""

    summaries: bool = False
    payloads: bool = False


class Instance(Config):
    """One model of a provider."""

    provider: Vendor
    auth: Auth
    options: Options | None = None
    override: Override | None = None
    provider_conf: VendorSettings | None = None


class Exchange(Config):
    """How long an exchange takes, and what connections to providers are like. Times are milliseconds."""

    timeout: int = Field(default=30_000, ge=1, le=600_000)
    max_stream_duration_ms: int | None = Field(default=None, ge=1)
    max_response_bytes: int | None = Field(default=None, ge=1)
    max_req_body_size: int | None = Field(default=None, ge=1)
    keepalive: bool = True
    keepalive_timeout: int = Field(default=60_000, ge=1000)
    keepalive_pool: int = Field(default=30, ge=1)
    ssl_verify: bool = True
    logging: Logging | None = None


def name_backend(origin: Origin, instance: str, api: str) -> str:
    """The backend of an instance for one API."""
    return f"{_START}{origin.object}#{origin.path}/{quote(instance, safe='')}/{api}"


def instances_of(rule: HttpRule) -> dict[str, tuple[str, ...]]:
    """The backends of each instance that a rule goes to."""
    targets = rule.action.targets if isinstance(rule.action, Forward) else ()
    found: dict[str, tuple[str, ...]] = {}
    for target in targets:
        if target.backend.startswith(_START):
            instance = unquote(target.backend.rsplit("/", 2)[1])
            found[instance] = (*found.get(instance, ()), target.backend)
    return found
