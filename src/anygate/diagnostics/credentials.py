"""Which lines of a manifest hold a credential of somebody, told by the names of fields.

Text alone decides, so that it holds as well for manifests that could not be read.
"""

import re
from functools import lru_cache

from anygate.diagnostics.source import SourceFile

CREDENTIALS = frozenset(
    (
        *("adminKey", "client_rsa_private_key", "client_secret", "password", "private_key", "publicKey"),
        *("redis_password", "secretKey", "secret_access_key", "secret_key", "service_account_json", "session_token"),
    )
)
"""Fields whose value is a credential, wherever they stand."""

HEADERS = frozenset(("apikey", "api-key", "authorization", "x-api-key", "x-goog-api-key"))
"""Headers with credentials; fields of these names that hold other fields are something else."""

CREDENTIALS_NEAR = {
    "ApisixConsumer": frozenset(("value", "config", "key")),
    "ApisixSettings": frozenset(("requestheaders",)),
    "MCPRoute": frozenset(("inline",)),
    "ai-proxy": frozenset(("auth",)),
    "csrf": frozenset(("key",)),
    "key-auth": frozenset(("key",)),
    "jwt-auth": frozenset(("secret",)),
    "openid-connect": frozenset(("session", "secret")),
}
"""Fields that are one, or hold one, where a word stands somewhere in the document; in lower case."""

_TELLING = re.compile(
    r"^(?!secret$|.*(?:refs?|names?|namespace)$)"
    r".*(?:secret|passw(?:or)?d|(?:api|access|admin)[_-]?key|auth_header|(?<!max)[_-]token$|^token$)"
)
"""Names, in lower case, that tell of a credential whatever they belong to; with other fields below, those do. What is
called `secret` alone is often the name of one."""

_KEY = re.compile(r"""(?:^|[\s{,\[])["']?([\w.-]+)["']?\s*:(?=\s|$|["'{\[])""")
_NO_COLON = re.compile(r"""^[\s-]*["']?([\w.-]+)["']?\s+(?=\S)""")
"""A key whose colon was forgotten."""

_USER = re.compile(r"""://[^\s/"'@]*:[^\s/"'@]+@""")
"""A password in a URL."""

_NAMES = frozenset(name.lower() for name in CREDENTIALS)


def holds_credential(file: SourceFile, number: int, first: int, last: int) -> bool:
    """Whether a line of the document from line `first` to `last` shows a credential or a part of one."""
    return number in _find_lines(file, first, last)


@lru_cache(maxsize=16)
def _find_lines(file: SourceFile, first: int, last: int) -> frozenset[int]:
    """The lines with a credential, found in one pass: what stands below a field stands further right."""
    names = _choose_names("\n".join(file.lines[first - 1 : last]))
    found = []
    hidden_from: int | None = None
    for number in range(first, last + 1):
        line = file.line(number)
        if not line.strip():
            continue
        # The dash of a list belongs to what is left of it.
        indent = len(line) - len(line.lstrip(" -"))
        if hidden_from is not None and indent > hidden_from:
            found.append(number)
            continue
        hidden_from = None
        for one in _list_keys(line):
            key, rest = one.group(1).lower(), line[one.end() :].strip()
            if key in names:
                hidden_from = indent
            if rest and (key in names or (_is_telling(key) and rest[0] not in "{[")):
                found.append(number)
        if _USER.search(line):
            found.append(number)
    return frozenset(found)


def _list_keys(line: str) -> list[re.Match[str]]:
    forgotten = _NO_COLON.match(line)
    return [*([forgotten] if forgotten else ()), *_KEY.finditer(line)]


def _is_telling(key: str) -> bool:
    return key in HEADERS or _TELLING.match(key) is not None


def _choose_names(text: str) -> frozenset[str]:
    return _NAMES.union(*(names for word, names in CREDENTIALS_NEAR.items() if word in text))
