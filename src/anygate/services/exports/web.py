"""Messages by HTTP to those who are told."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from anygate.services.exports.delivery import NotSent

if TYPE_CHECKING:
    import httpx2

TIMEOUT, CONNECT_TIMEOUT = 10.0, 5.0
_RETRIED = frozenset((408, 429, 500, 502, 503, 504))


class Web:
    """A client for one URL; `headers` may hold a credential, which no message shows."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = dict(headers)
        self._client: httpx2.Client | None = None

    def post(self, content: bytes) -> bytes:
        """Send a message, and return the answer; raises NotSent."""
        import httpx2

        if self._client is None:
            times = httpx2.Timeout(TIMEOUT, connect=CONNECT_TIMEOUT)
            self._client = httpx2.Client(timeout=times, headers=self._headers, trust_env=False)
        try:
            answer = self._client.post(self._url, content=content)
        except httpx2.HTTPError as problem:
            raise NotSent(type(problem).__name__) from None
        if not answer.is_success:
            raise NotSent(f"it answers {answer.status_code}", lasting=answer.status_code not in _RETRIED)
        return answer.content
