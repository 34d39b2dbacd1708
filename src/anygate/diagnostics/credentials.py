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
    "ApisixConsumer": frozenset(("value", "config")),
    "ApisixSettings": frozenset(("requestheaders",)),
    "MCPRoute": frozenset(("inline",)),
    "ai-proxy": frozenset(("auth",)),
    "csrf": frozenset(("key",)),
    "openid-connect": frozenset(("session",)),
}
"""Fields that are one, or hold one, where a word stands somewhere in the document; in lower case."""

_KEY = re.compile(r"""(?:^|[\s{,\[])["']?([\w.-]+)["']?\s*:(?=\s|$|["'{\[])""")
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
        for one in _KEY.finditer(line):
            key, rest = one.group(1).lower(), line[one.end() :].strip()
            if key in names:
                hidden_from = indent
            if rest and (key in names or (key in HEADERS and rest[0] not in "{[")):
                found.append(number)
    return frozenset(found)


def _choose_names(text: str) -> frozenset[str]:
    return _NAMES.union(*(names for word, names in CREDENTIALS_NEAR.items() if word in text))
