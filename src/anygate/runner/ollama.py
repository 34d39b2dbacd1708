"""Finds a local Ollama and the models that it has."""

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

PORT = 11434
LOCAL = ("127.0.0.1", "localhost", "::1")
"""The names of this machine."""

_PATIENCE = 1.0
_ANYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - what a server binds is asked of on this machine


def find_address(environment: Mapping[str, str]) -> tuple[str, int]:
    """Where Ollama's own client would look for it: OLLAMA_HOST, else this machine."""
    text = environment.get("OLLAMA_HOST", "").strip()
    with suppress(ValueError):
        parts = urlsplit(text if "://" in text else f"//{text}")
        host = parts.hostname or ""
        return "127.0.0.1" if host in _ANYWHERE else host, parts.port or PORT
    return "127.0.0.1", PORT


def ask_ollama(host: str, port: int) -> tuple[str, ...] | None:
    """The names of its models, or None if nobody like Ollama answers."""
    import httpx2

    place = f"[{host}]" if ":" in host else host
    try:
        answer = httpx2.get(f"http://{place}:{port}/api/tags", timeout=_PATIENCE, trust_env=False)
        found = answer.json()["models"] if answer.status_code == 200 else None
        return None if found is None else tuple(str(one["name"]) for one in found)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError, LookupError, TypeError):
        return None
