"""The model providers that environment variables name, as their own tools read them."""

import ipaddress
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import urlsplit

from anygate.errors import UsageError

_AZURE_VERSION = "2024-10-21"
# Several short ones for each: Envoy refuses an expression that becomes a program of more than 100 instructions.
_OPENAI = (
    r"(gpt-|chatgpt-|o[0-9]|codex-|computer-use-|davinci-|babbage-|ft:).*",
    r"(text-embedding-3|text-embedding-ada|text-moderation-|omni-moderation-).*",
    r"(dall-e-|sora-|whisper-|tts-).*",
)
_ANTHROPIC = (r"claude-.*",)
_GEMINI = (r"(models/)?(gemini-|gemma-|learnlm-|imagen-|veo-|embedding-0|text-embedding-0).*",)
_PLACES = r"([a-z]+(-gov)?\.)?"
_BEDROCK_CLAUDE = (rf"{_PLACES}anthropic\.claude.*",)
_BEDROCK = (
    rf"{_PLACES}(amazon|meta|mistral|cohere|ai21|deepseek|openai|qwen|google)\..*",
    rf"{_PLACES}(nvidia|moonshot|minimax|writer|zai|stability|twelvelabs|luma)\..*",
    r"arn:aws[a-z-]*:bedrock:.*",
)


@dataclass(frozen=True)
class Address:
    """Where a provider answers."""

    host: str
    port: int
    tls: bool
    path: str = ""

    @property
    def is_ip(self) -> bool:
        """Whether the host is an address rather than a name."""
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True)
class Api:
    """An API of a service: its schema, and which models are asked for there (regular expressions, or names)."""

    name: str
    schema: Mapping[str, str]
    patterns: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Service:
    """One provider. `policy` is the credential block of a BackendSecurityPolicy, whose Secret holds `secrets`.

    `takes_all`: models of any name may be asked for, since nobody knows what is served there.
    """

    name: str
    title: str
    address: Address
    apis: tuple[Api, ...]
    policy: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    takes_all: bool = False

    @classmethod
    def of_ollama(cls, host: str, port: int, models: Sequence[str]) -> Self:
        """The Ollama at an address, with the models it has. Its tag `latest` can be left out."""
        names = dict.fromkeys(name for one in models for name in (one, one.removesuffix(":latest")))
        api = Api("ollama", {"name": "OpenAI", "prefix": "/v1"}, models=tuple(names))
        count = "1 model" if len(models) == 1 else f"{len(models)} models"
        return cls("ollama", f"Ollama with {count}", Address(host, port, tls=False), (api,))


class _Variables:
    """Environment variables; an empty one counts as unset."""

    def __init__(self, environment: Mapping[str, str], notes: list[str]) -> None:
        self._environment = environment
        self.notes = notes

    def read(self, *names: str) -> str:
        """The first that is set, without space around it. No message ever shows a value."""
        for name in names:
            text = self._environment.get(name, "").strip()
            if text and not (text.isascii() and text.isprintable()):
                raise UsageError(f"{name}: it has characters that cannot be sent in a header")
            if text:
                return text
        return ""

    def read_url(self, name: str, default: str) -> Address:
        """A URL in its parts; raises UsageError."""
        problem = UsageError(f"{name}: expected http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]")
        try:
            parts = urlsplit(self.read(name) or default)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise problem from None
        if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment or "@" in parts.netloc:
            raise problem
        found = Address(host, port or (443 if parts.scheme == "https" else 80), parts.scheme == "https", parts.path)
        if found.tls and found.is_ip:
            raise UsageError(f"{name}: https needs the name of a host, not its address")
        return found


def find_services(environment: Mapping[str, str], notes: list[str]) -> tuple[Service, ...]:
    """Every provider that is configured; what was left out is added to `notes`. Raises UsageError."""
    variables = _Variables(environment, notes)
    readers: list[Callable[[_Variables], Iterator[Service]]]
    readers = [_read_openai, _read_azure, _read_anthropic, _read_gemini, _read_bedrock]
    return tuple(service for read in readers for service in read(variables))


def _read_openai(variables: _Variables) -> Iterator[Service]:
    key = variables.read("OPENAI_API_KEY")
    if not key:
        return
    address = variables.read_url("OPENAI_BASE_URL", "https://api.openai.com/v1")
    sent = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}
    headers = tuple((header, value) for header, name in sent.items() if (value := variables.read(name)))
    schema = {"name": "OpenAI", "prefix": address.path.rstrip("/") or "/v1"}
    is_own = address.host == "api.openai.com"
    yield Service(
        "openai",
        "OpenAI" if is_own else f"OpenAI at {address.host}",
        address,
        (Api("openai", schema, _OPENAI, headers=headers),),
        _by_secret("APIKey", "apiKey"),
        {"apiKey": key},
        takes_all=not is_own,
    )


def _read_azure(variables: _Variables) -> Iterator[Service]:
    key, endpoint = variables.read("AZURE_OPENAI_API_KEY"), variables.read("AZURE_OPENAI_ENDPOINT")
    client = {name: variables.read(f"AZURE_{name}") for name in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET")}
    if not endpoint:
        if key:
            variables.notes.append("Azure is left out: AZURE_OPENAI_ENDPOINT is not set")
        return
    if key:
        policy, secrets = _by_secret("AzureAPIKey", "azureAPIKey"), {"apiKey": key}
    elif all(client.values()):
        block = {
            "clientID": client["CLIENT_ID"],
            "tenantID": client["TENANT_ID"],
            "clientSecretRef": {"name": "SECRET"},
        }
        policy = {"type": "AzureCredentials", "azureCredentials": block}
        secrets = {"client-secret": client["CLIENT_SECRET"]}
    else:
        variables.notes.append("Azure is left out: AZURE_OPENAI_API_KEY is not set")
        return
    address = variables.read_url("AZURE_OPENAI_ENDPOINT", endpoint)
    schema = {"name": "AzureOpenAI", "version": variables.read("OPENAI_API_VERSION") or _AZURE_VERSION}
    yield Service("azure", "Azure OpenAI", address, (Api("azure", schema, _OPENAI),), policy, secrets)


def _read_anthropic(variables: _Variables) -> Iterator[Service]:
    key = variables.read("ANTHROPIC_API_KEY")
    if not key:
        return
    address = variables.read_url("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    schema = {"name": "Anthropic", "prefix": f"{address.path.rstrip('/')}/v1"}
    policy = _by_secret("AnthropicAPIKey", "anthropicAPIKey")
    yield Service("anthropic", "Anthropic", address, (Api("anthropic", schema, _ANTHROPIC),), policy, {"apiKey": key})


def _read_gemini(variables: _Variables) -> Iterator[Service]:
    # Google's own client prefers GOOGLE_API_KEY when both are set.
    key = variables.read("GOOGLE_API_KEY", "GEMINI_API_KEY")
    if not key:
        return
    address = variables.read_url("GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com")
    policy = _by_secret("GeminiAPIKey", "geminiAPIKey")
    path = address.path.rstrip("/")
    api = Api("gemini", {"name": "Gemini", **({"prefix": f"{path}/v1beta"} if path else {})}, _GEMINI)
    yield Service("gemini", "Google Gemini", address, (api,), policy, {"apiKey": key})


def _read_bedrock(variables: _Variables) -> Iterator[Service]:
    credential = _find_aws(variables)
    if credential is None:
        return
    region = variables.read("AWS_REGION", "AWS_DEFAULT_REGION")
    if not region:
        variables.notes.append("Amazon Bedrock is left out: AWS_REGION is not set")
        return
    policy, secrets = credential
    if policy["type"] == "AWSCredentials":
        policy["awsCredentials"]["region"] = region
    ending = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    default = f"https://bedrock-runtime.{region}.{ending}"
    address = variables.read_url("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", default)
    apis = (
        Api("bedrock-claude", {"name": "AWSAnthropic"}, _BEDROCK_CLAUDE),
        Api("bedrock", {"name": "AWSBedrock"}, _BEDROCK),
    )
    yield Service("bedrock", f"Amazon Bedrock in {region}", address, apis, policy, secrets)


def _find_aws(variables: _Variables) -> tuple[dict[str, Any], dict[str, str]] | None:
    token = variables.read("AWS_BEARER_TOKEN_BEDROCK")
    if token:
        return _by_secret("APIKey", "apiKey"), {"apiKey": token}
    key_id, key = variables.read("AWS_ACCESS_KEY_ID"), variables.read("AWS_SECRET_ACCESS_KEY")
    if key_id and key:
        lines = ["[default]", f"aws_access_key_id = {key_id}", f"aws_secret_access_key = {key}"]
        session = variables.read("AWS_SESSION_TOKEN")
        lines += [f"aws_session_token = {session}"] if session else []
        block: dict[str, Any] = {"credentialsFile": {"secretRef": {"name": "SECRET"}}}
        return {"type": "AWSCredentials", "awsCredentials": block}, {"credentials": "\n".join([*lines, ""])}
    if variables.read("AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        # Envoy has our environment, and finds these by itself.
        return {"type": "AWSCredentials", "awsCredentials": {}}, {}
    return None


def _by_secret(kind: str, block: str) -> dict[str, Any]:
    return {"type": kind, block: {"secretRef": {"name": "SECRET"}}}
