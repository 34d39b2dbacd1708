"""The AI part of the full model: rules for models, and providers with every kind of credential."""

from build_models import ORIGIN, backend, forward, target

from anygate.model import backend as b
from anygate.model import inference as i
from anygate.model import route as r
from anygate.model.edit import HeaderEdit
from anygate.model.match import HttpMatch, PathMatch, ValueMatch

OIDC = i.OidcClient(issuer="https://issuer.example", client_id="me", secret="opaque", scopes=("all",))
AZURE = i.AzureToken(tenant="t", client_id="c", secret="opaque")
GOOGLE = i.GcpToken(
    federation=i.GcpFederation(project_id="1", project_name="p", pool="pool", provider="oidc", oidc=OIDC)
)
AMAZON = i.AwsExchange(name="role-keys", role="arn:aws:iam::1:role/r", session="s", oidc=OIDC)
COSTS = (i.Cost(origin=ORIGIN, key="total", expression="input_tokens + output_tokens"),)


def _provider(name: str, kind: str, **fields: object) -> b.Backend:
    made = i.Provider(origin=ORIGIN, name=f"default/{name}", format=kind, **fields)  # type: ignore[arg-type]
    return backend(name, 8010, provider=made)


PROVIDERS = (
    _provider(
        "openai",
        "OpenAI",
        credential=i.KeyCredential(origin=ORIGIN, secret="opaque"),
        override=i.CredentialOverride(header="x-aigw-key"),
        headers=HeaderEdit(set=(("x-set", "1"),), add=(("x-add", "1"),), remove=("x-remove",)),
        body=i.BodyEdit(set=(("user", '"me"'),), remove=("seed",)),
        model="gpt-other",
    ),
    _provider("elsewhere", "OpenAI", path="/chat?a=b", body=i.BodyEdit(set=(("user", '"me"'),))),
    _provider("azure", "AzureOpenAI", credential=i.TokenCredential(origin=ORIGIN, secret="opaque", source=AZURE)),
    _provider(
        "google",
        "GCPVertexAI",
        credential=i.TokenCredential(origin=ORIGIN, secret="opaque", source=GOOGLE),
        region="us-east1",
        project="p",
    ),
    _provider(
        "amazon",
        "AWSBedrock",
        credential=i.AwsCredential(origin=ORIGIN, region="us-east-1", exchange=AMAZON),
        region="us-east-1",
    ),
    _provider(
        "stored",
        "AWSBedrock",
        credential=i.AwsCredential(origin=ORIGIN, region="us-east-1", file="opaque"),
        region="us-east-1",
    ),
    _provider(
        "queried",
        "OpenAI",
        credential=i.QueryCredential(origin=ORIGIN, secret="opaque", parameter="key"),
        otel=i.Otel(endpoint="http://127.0.0.1:4317", service="chat"),
        langfuse=i.Langfuse(host="http://127.0.0.1:3000", public_key="pk", secret="opaque"),
    ),
)


def _rule(endpoint: i.ModelEndpoint, path: str, model: str, *targets: r.BackendTarget) -> r.HttpRule:
    match = HttpMatch(
        origin=ORIGIN,
        path=PathMatch(kind="exact", value=path),
        headers=(ValueMatch(name=i.MODEL_HEADER, value=model),),
    )
    return r.HttpRule(
        origin=ORIGIN,
        name=f"{endpoint}-{model}",
        matches=(match,),
        action=forward(*targets),
        inference=i.Inference(origin=ORIGIN, endpoint=endpoint, route="default/ai", costs=COSTS),
    )


AI_RULES = (
    _rule("chat", "/v1/chat/completions", "one", target("openai"), target("google", priority=1, translated=True)),
    _rule("chat", "/v1/chat/completions", "two", target("azure"), target("amazon", translated=True)),
    _rule("chat", "/v1/chat/completions", "three", target("queried", translated=True)),
    _rule("messages", "/v1/messages", "one", target("openai", translated=True)),
)
