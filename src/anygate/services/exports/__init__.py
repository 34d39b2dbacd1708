"""What each provider's requests are told to others: spans to OpenTelemetry collectors, generations to Langfuse."""

from anygate.services.exports.exports import Exports

__all__ = ["Exports"]
