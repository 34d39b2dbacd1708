"""Which endpoints a backend can serve, and which of them only after translation."""

from enum import Enum
from functools import cache

from anygate.model.inference import ModelEndpoint, Provider, QueryCredential, sets_members
from anygate.providers import find_conversion, is_passthrough
from anygate.providers.formats import BackendFormat, ClientFormat
from anygate.providers.paths import CLIENT_FORMATS, ENDPOINT_PATHS, MULTIPART

ENDPOINTS: tuple[ModelEndpoint, ...] = tuple(ENDPOINT_PATHS)


class Way(Enum):
    """How a backend serves an endpoint."""

    NOT = "not"
    NATIVE = "native"
    TRANSLATED = "translated"


def find_way(endpoint: ModelEndpoint, provider: Provider) -> Way:
    """How a backend serves an endpoint.

    Most edits of a body need it read, and so does a form in which the model has to be replaced. A key in the query is
    put on where no access log sees it, on the way out of the adapter.
    """
    found = _find_way(endpoint, provider.format, provider.chat_only)
    if found is not Way.NATIVE or isinstance(provider.credential, QueryCredential):
        return found if found is Way.NOT else Way.TRANSLATED
    if endpoint in MULTIPART:
        return Way.TRANSLATED if provider.model else Way.NATIVE
    return Way.NATIVE if provider.body is None or sets_members(provider.body) else Way.TRANSLATED


@cache
def _find_way(endpoint: ModelEndpoint, name: str, chat_only: bool) -> Way:
    try:
        backend = BackendFormat(name)
    except ValueError:
        return Way.NOT
    client = CLIENT_FORMATS.get(endpoint)
    if client is None:
        # There is no conversion for these: they reach backends that serve them as they are.
        return Way.NATIVE if backend is BackendFormat.OPENAI else Way.NOT
    if find_conversion(client, backend, chat_only=chat_only) is None:
        return Way.NOT
    relays = is_passthrough(client, backend) and not (chat_only and client is ClientFormat.RESPONSES)
    return Way.NATIVE if relays else Way.TRANSLATED
