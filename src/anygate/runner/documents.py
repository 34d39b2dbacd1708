"""Discovery documents of OpenID providers: asked for until they are there, and kept while manifests want them.

A provider inside of the network that this machine is in is an ordinary one, unlike a module of a plugin, so every
address may be asked that a manifest names. But nothing comes back to who wrote it except whether it is such a document,
and a provider cannot send us on to another host.
"""

import asyncio
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urljoin

import httpx2

from anygate.manifests.discovery import Document, Documents, Endpoints, Missing, Said, parse_document
from anygate.runner.destinations import Resolution, match_resolution
from anygate.urls import split_url

_MOST = 1024 * 1024
_SECONDS = 10.0
_PATIENCE = 5.0
_SOON, _LATE = 1.0, 30.0
"""How long to wait before asking again: twice as long each time. On a laptop a provider often starts after us."""

_REDIRECTS = 3


class _Lost(Exception):  # noqa: N818 - a sentence for people
    """Why a document cannot be had."""


@dataclass(eq=False)
class _Course:
    """The asking for one document: whether it was tried at all, and what hurries the next time."""

    tried: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Fetches:
    """One task for each document. `on_change` is called when one says something else and nobody waits for it.

    With `only_resolved` nobody is asked except those whom one of the `resolutions` leads to.
    """

    def __init__(
        self, resolutions: Sequence[Resolution], on_change: Callable[[], None], *, only_resolved: bool = False
    ) -> None:
        self._resolutions = resolutions
        self._on_change = on_change
        self._only_resolved = only_resolved
        self._known: dict[Document, Said] = {}
        self._courses: dict[Document, _Course] = {}
        self._is_waited_for = False

    @property
    def documents(self) -> Documents:
        """What is known by now."""
        return Documents(dict(self._known))

    @property
    def resolved(self) -> frozenset[Resolution]:
        """The resolutions that lead to somebody who is asked."""
        return frozenset(filter(None, map(self._resolve, self._known)))

    async def follow(self, wanted: Iterable[Document]) -> bool:
        """Ask for exactly these from now on, and wait a little for new ones; tells whether anything new is known.

        What is there is not asked for again. What is not is tried now, and not waited for: it may take long every time.
        """
        before = dict(self._known)
        wanted = frozenset(wanted)
        for document in self._known.keys() - wanted:
            del self._known[document]
            self._cancel(self._courses.pop(document, None))
        for document in sorted(wanted):
            self._want(document)
        if waiting := [asyncio.ensure_future(one.tried.wait()) for one in self._courses.values()]:
            self._is_waited_for = True
            try:
                await asyncio.wait(waiting, timeout=_PATIENCE)
            finally:
                self._is_waited_for = False
                for one in waiting:
                    one.cancel()
        return any(self._known[document] != before.get(document) for document in wanted)

    async def stop(self) -> None:
        """Ask for nothing any more."""
        courses = list(self._courses.values())
        self._courses.clear()
        for course in courses:
            self._cancel(course)
        await asyncio.gather(*(one.task for one in courses if one.task), return_exceptions=True)

    def _want(self, document: Document) -> None:
        course = self._courses.get(document)
        if course is None and document not in self._known:
            if self._only_resolved and self._resolve(document) is None:
                self._known[document] = Missing("with --stub=all only what --resolve leads to is asked")
                return
            self._known[document] = Missing(f"it has not answered within {_PATIENCE:g} seconds")
            course = self._courses[document] = _Course()
            course.task = asyncio.create_task(self._ask(document, course))
        elif course is not None:
            course.hurry.set()

    async def _ask(self, document: Document, course: _Course) -> None:
        pause = _SOON
        while True:
            said = await _fetch(document, self._resolve(document))
            is_other = said != self._known[document]
            self._known[document] = said
            course.tried.set()
            if is_other and not self._is_waited_for:
                self._on_change()
            if isinstance(said, Endpoints):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await course.hurry.wait()
            course.hurry.clear()
            pause = min(2 * pause, _LATE)

    def _cancel(self, course: _Course | None) -> None:
        if course is not None and course.task is not None:
            course.task.cancel()

    def _resolve(self, document: Document) -> Resolution | None:
        parts = split_url(document.url)
        return match_resolution({parts.hostname or ""}, _port_of(parts), self._resolutions)


async def _fetch(document: Document, resolution: Resolution | None) -> Said:
    try:
        async with asyncio.timeout(_SECONDS):
            return parse_document(document, await _download(document, resolution))
    except TimeoutError:
        return Missing(f"it did not answer within {_SECONDS:g} seconds")
    except _Lost as lost:
        return Missing(str(lost))
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as problem:
        text = " ".join(str(problem).split()).rstrip(".")
        return Missing(f"it cannot be asked ({text[:300] or type(problem).__name__})")


async def _download(document: Document, resolution: Resolution | None) -> bytes:
    # The authorities are those that Envoy trusts too: the machine's own.
    context = ssl.create_default_context()
    if not document.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    url = document.url
    async with httpx2.AsyncClient(trust_env=False, timeout=_SECONDS, verify=context) as client:
        for _ in range(_REDIRECTS + 1):
            answer = await client.send(_build_request(url, resolution), stream=True)
            try:
                if not answer.is_redirect:
                    return await _read(answer)
            finally:
                await answer.aclose()
            url = _find_next(url, answer.headers["location"])
    raise _Lost(f"it redirects more than {_REDIRECTS} times")


def _build_request(url: str, resolution: Resolution | None) -> httpx2.Request:
    parts = split_url(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _Lost("its address is not an http or https URL")
    netloc = parts.netloc.rpartition("@")[2]
    # What is not packed cannot unpack to more than we are ready to read.
    headers = {"host": netloc, "accept": "application/json", "accept-encoding": "identity"}
    if resolution is not None:
        address = f"[{resolution.address}]" if ":" in resolution.address else resolution.address
        netloc = f"{address}:{resolution.to_port}"
    target = parts._replace(netloc=netloc).geturl()
    return httpx2.Request("GET", target, headers=headers, extensions={"sni_hostname": parts.hostname})


def _find_next(url: str, location: str) -> str:
    """Where a redirect leads, if it is to the same server."""
    url, before = urljoin(url, location), split_url(url)
    after = split_url(url)
    if (after.scheme, after.hostname, _port_of(after)) != (before.scheme, before.hostname, _port_of(before)):
        raise _Lost(f"it redirects to another server, {after.scheme}://{after.netloc.rpartition('@')[2]}")
    return url


async def _read(answer: httpx2.Response) -> bytes:
    if answer.status_code != httpx2.codes.OK:
        raise _Lost(f"it answers {answer.status_code}")
    content = bytearray()
    async for part in answer.aiter_raw():
        content += part
        if len(content) > _MOST:
            raise _Lost(f"its document is larger than {_MOST} bytes")
    return bytes(content)


def _port_of(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
