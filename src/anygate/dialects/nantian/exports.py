"""Who is told of an AIService's requests: an OpenTelemetry collector, Langfuse."""

from anygate.diagnostics import FieldPath
from anygate.dialects.nantian.ai_findings import AI_CLEAR_KEY
from anygate.dialects.nantian.context import Context, origin
from anygate.dialects.nantian.kinds.aiservice import AIService, SecretKey
from anygate.dialects.nantian.secrets import read_key, store_secret
from anygate.manifests.sensitive import Sensitive
from anygate.model.inference import Langfuse, Otel

_PATH: FieldPath = ("spec", "observability")


def read_otel(context: Context, item: AIService) -> Otel | None:
    """Where spans go."""
    del context
    written = item.spec.observability.otel
    if written is None or not written.endpoint:
        return None
    return Otel(endpoint=written.endpoint, service=written.service_name or f"{item.namespace}/{item.name}")


def read_langfuse(context: Context, item: AIService) -> Langfuse | None:
    """Where generations go; raises SecretTrouble."""
    written = item.spec.observability.langfuse
    if written is None:
        return None
    path = (*_PATH, "langfuse")
    if isinstance(written.secret_key, Sensitive):
        # Not at the field itself: the line that is shown with it holds the key.
        text = "observability.langfuse.secretKey stands in the manifest"
        context.add(AI_CLEAR_KEY, text, item, ("metadata", "name"), hint="give {secret: NAME, key: KEY} instead")
    public = _read(context, item, written.public_key, (*path, "publicKey"))
    secret = _read(context, item, written.secret_key, (*path, "secretKey"))
    return Langfuse(
        host=written.host or "",
        public_key=public,
        secret=store_secret(context, item, origin(item, path), secret, "langfuse") if secret else "",
    )


def _read(context: Context, item: AIService, value: Sensitive | SecretKey | None, path: FieldPath) -> str:
    if value is None:
        return ""
    if isinstance(value, Sensitive):
        return value.reveal_text().strip()
    return read_key(context, item, value.secret, value.key, path)
