"""Whom the services tell of requests, as the providers of a model have it."""

from anygate.model import Model
from anygate.model.inference import Langfuse
from anygate.model.tls import Opaque
from anygate.services.exports.destinations import Destinations, LangfuseDestination, OtelDestination


def list_destinations(model: Model) -> dict[str, Destinations]:
    """The destinations by the names of providers, with the keys that the model's secrets hold."""
    found: dict[str, Destinations] = {}
    for provider in (backend.provider for backend in model.backends if backend.provider is not None):
        if provider.otel is not None or provider.langfuse is not None:
            otel, langfuse = provider.otel, provider.langfuse
            found[provider.name] = Destinations(
                otel=OtelDestination(otel.endpoint, otel.service) if otel is not None else None,
                langfuse=_complete(langfuse, model) if langfuse is not None else None,
            )
    return found


def _complete(langfuse: Langfuse, model: Model) -> LangfuseDestination:
    held = next((one for one in model.secrets if one.name == langfuse.secret), None)
    key = held.value.reveal_text() if isinstance(held, Opaque) else ""
    return LangfuseDestination(langfuse.host, langfuse.public_key, key)
