"""Sessions: one id for the client that carries the ids of all servers, sealed, so that nothing has to be stored.

An id is bound to its route and to the subject of the client's token; changed, or shown to another route or by another
subject, it is no id at all.
"""

import base64
import binascii
import hashlib
import os
import secrets
from contextlib import suppress
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_KEY = 32
_LONGEST = 60_000


class ServerSession(msgspec.Struct, frozen=True, array_like=True):
    """A session at one server: its id (empty: it has none), the protocol's version and what the server can do."""

    id: str
    version: str
    capabilities: tuple[str, ...]


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What a client's session id says: the version it speaks, and the servers that took part when it began."""

    version: str
    servers: dict[str, ServerSession]


class Sessions:
    """Seals sessions and opens them again."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, session: Session, route: str, subject: str) -> str:
        """The id of a session."""
        nonce = os.urandom(_NONCE)
        sealed = self._cipher.encrypt(nonce, msgspec.msgpack.encode(session), _binding(route, subject))
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=").decode()

    def open(self, identity: str, route: str, subject: str) -> Session | None:
        """The session of an id, or None."""
        if not identity.isascii() or len(identity) > _LONGEST:
            return None
        try:
            sealed = base64.urlsafe_b64decode(identity + "=" * (-len(identity) % 4))
            opened = self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _binding(route, subject))
            return msgspec.msgpack.decode(opened, type=Session)
        except (InvalidTag, binascii.Error, msgspec.MsgspecError, ValueError):
            return None


def _binding(route: str, subject: str) -> bytes:
    return hashlib.sha256(msgspec.json.encode((route, subject))).digest()


def make_key() -> bytes:
    """A new key; sessions of another key are unknown."""
    return secrets.token_bytes(_KEY)


def load_key(path: Path) -> bytes:
    """The key that all workers share; the first one makes it. Only its owner can read the file."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(make_key())
        with suppress(FileExistsError):
            os.link(fresh, path)  # unlike a rename it never replaces the key that another worker made
    finally:
        fresh.unlink()
    key = path.read_bytes()
    if len(key) != _KEY:
        raise ValueError(f"{path} holds no key")
    return key
