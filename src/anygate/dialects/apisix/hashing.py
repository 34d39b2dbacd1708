"""What consistent hashing goes by: the key of a balancer."""

import re

from anygate.dialects.apisix.plugins.consumers import CALLER
from anygate.model.route import HashPolicy

SOURCE = HashPolicy(kind="source_ip")
"""The client's address, which is the key where there is none."""

_VARIABLE = re.compile(r"\$\{?(\w+)\}?")
_HEADERS = {"uri": ":path", "request_uri": ":path", "host": ":authority", "http_host": ":authority"}
_KINDS = {"header": "http_", "cookie": "cookie_"}


def read_hashing(hash_on: str, key: str) -> tuple[HashPolicy, ...]:
    """What is hashed of a request; nothing if no part of it tells all of the key."""
    if hash_on in _KINDS:
        names = [_KINDS[hash_on] + key.removeprefix(_KINDS[hash_on])]
    elif hash_on == "consumer":
        return (HashPolicy(kind="header", name=CALLER),)
    elif hash_on == "vars_combinations":
        names = _VARIABLE.findall(key)
    else:
        names = [key or "remote_addr"]
    found = tuple(policy for name in names if (policy := _hash_variable(name)) is not None)
    return found if len(found) == len(names) else ()


def _hash_variable(name: str) -> HashPolicy | None:
    if name == "remote_addr":
        return SOURCE
    if name in _HEADERS:
        return HashPolicy(kind="header", name=_HEADERS[name])
    kind, _, rest = name.partition("_")
    if kind == "arg" and rest:
        return HashPolicy(kind="query", name=rest)
    if kind == "cookie" and rest:
        return HashPolicy(kind="cookie", name=rest)
    return HashPolicy(kind="header", name=rest.replace("_", "-")) if kind == "http" and rest else None
