"""URLs that people wrote."""

from urllib.parse import SplitResult, urlsplit

_NOTHING = SplitResult("", "", "", "", "")


def split_url(text: str) -> SplitResult:
    """The parts of a URL, all of them empty for a text that is none, such as one with a port beyond 65535."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - the parts are taken apart, and may turn out to be none, only when they are asked for
    except ValueError:
        return _NOTHING
    return parts
