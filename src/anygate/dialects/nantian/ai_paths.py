"""At which of a client's paths an endpoint of an AI API is asked for: the format of a request is told by its path.

It is the path that the backend would see: a route may put a prefix before the API's own paths and take it off again.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import msgspec

from anygate.model.edit import PathRewrite
from anygate.model.inference import ModelEndpoint
from anygate.model.match import HttpMatch, PathMatch
from anygate.model.origin import Origin
from anygate.providers.paths import ENDPOINT_PATHS

_ROOT = PathMatch(kind="prefix", value="/")

PATHS: Mapping[str, ModelEndpoint] = MappingProxyType(
    {
        **{path: one for one, paths in ENDPOINT_PATHS.items() for path in paths},
        "/chat/completions": "chat",
    }
)
"""The endpoint that is asked for at each path."""


def list_matches(
    matches: Sequence[HttpMatch], rewrite: PathRewrite | None, origin: Origin
) -> Iterator[tuple[ModelEndpoint, HttpMatch]]:
    """A rule's matches, each once for every path at which it takes requests for an endpoint.

    They keep their rank: a path is no more specific than what was written.
    """
    for match in matches or (HttpMatch(origin=origin),):
        if match.method not in ("", "POST"):
            continue
        for path, endpoint in _list_paths(match.path or _ROOT, rewrite):
            exact = PathMatch(kind="exact", value=path)
            yield endpoint, msgspec.structs.replace(match, path=exact)


def _list_paths(match: PathMatch, rewrite: PathRewrite | None) -> Iterator[tuple[str, ModelEndpoint]]:
    if rewrite is None:
        yield from ((path, endpoint) for path, endpoint in PATHS.items() if _holds(match, path))
    elif rewrite.kind == "full" and rewrite.value in PATHS:
        if match.kind in ("exact", "prefix"):
            yield match.value.rstrip("/") or "/", PATHS[rewrite.value]
    elif rewrite.kind == "prefix" and match.kind == "prefix":
        new, old = rewrite.value.rstrip("/"), match.value.rstrip("/")
        for path, endpoint in PATHS.items():
            if path == new or path.startswith(new + "/"):
                yield old + path[len(new) :] or "/", endpoint


def _holds(match: PathMatch, path: str) -> bool:
    if match.kind != "regex":
        return match.holds(path)
    try:
        return re.fullmatch(match.value, path, re.IGNORECASE if match.ignore_case else 0) is not None
    except re.error:
        return False


def rebase(matches: Sequence[HttpMatch], rewrite: PathRewrite | None, base: str) -> PathRewrite | None:
    """The rewrite of paths that are no AI API's where the provider's own stand below a `base`.

    What is written as `/v1/models` is `/{base}/v1/models` there. None leaves the rule's rewrite as it is.
    """
    if not base or (rewrite is not None and rewrite.kind != "prefix"):
        return None
    if rewrite is None:
        return PathRewrite(kind="regex", pattern="^/", value=f"/{base}/")
    paths = dict.fromkeys((one.path or _ROOT).value.rstrip("/") for one in matches)
    new = rewrite.value.strip("/")
    stems = "|".join(re.escape(one) for one in paths)
    return PathRewrite(kind="regex", pattern=f"^(?:{stems})/", value=f"/{base}/{new}/" if new else f"/{base}/")
