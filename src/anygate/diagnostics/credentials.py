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
    names = _choose_names(file, first, last)
    line = file.line(number)
    keys = [(found.group(1).lower(), line[found.end() :].strip()) for found in _KEY.finditer(line)]
    if any(rest and (key in names or (key in HEADERS and rest[0] not in "{[")) for key, rest in keys):
        return True
    # The field that a line belongs to is the next one above that stands further left.
    indent = _indent(line)
    for above in range(number - 1, first - 1, -1):
        text = file.line(above)
        if not text.strip() or _indent(text) >= indent:
            continue
        indent = _indent(text)
        if any(found.group(1).lower() in names for found in _KEY.finditer(text)):
            return True
    return False


@lru_cache(maxsize=64)
def _choose_names(file: SourceFile, first: int, last: int) -> frozenset[str]:
    text = "\n".join(file.lines[first - 1 : last])
    near = (names for word, names in CREDENTIALS_NEAR.items() if word in text)
    return _NAMES.union(*near)


def _indent(line: str) -> int:
    """How far right a line's first field stands; the dash of a list belongs to what is left of it."""
    return len(line) - len(line.lstrip(" -"))
