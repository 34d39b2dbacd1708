"""Token counts worked out from sizes, for answers whose usage nobody reported (`envoy/estimates.py`).

Such counts are always labelled, and never replace what a provider said.
"""

from anygate.envoy.estimates import COUNTED, STREAMS, TEXT, WITHOUT_OUTPUT, StreamShape


def is_counted(endpoint: str) -> bool:
    """Whether requests of an endpoint are paid by text tokens, so that sizes say something about them."""
    return endpoint in COUNTED


def estimate_input(request_bytes: int) -> int:
    """The tokens of a request's body."""
    return -(-request_bytes // TEXT)


def estimate_output(endpoint: str, response_bytes: int, *, stream: bool) -> int:
    """The tokens of an answer, or of as much of it as came."""
    if endpoint in WITHOUT_OUTPUT:
        return 0
    if not stream:
        return -(-response_bytes // TEXT)
    shape = STREAMS.get(endpoint, StreamShape(TEXT, 0))
    return -(-max(0, response_bytes - shape.head) // shape.token)
