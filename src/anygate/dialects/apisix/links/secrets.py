"""Secret values of a stack: where they come from, and how they are kept out of what is shown."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from anygate.diagnostics import FieldPath, SourceFile, Span
from anygate.dialects.apisix.links.entry import Entry, is_placeholder
from anygate.dialects.apisix.links.rules.attributes import INLINE_SECRET
from anygate.dialects.apisix.links.rules.shape import ENVIRONMENT, INVALID_VALUE, MISSING_FIELD, WRONG_TYPE
from anygate.manifests.tree import Tree

_NAMES = r"[a-z_.-]*(?:secret|password|api[_-]?key|private[_-]?key|authorization|apikey|token)"
_NAME = re.compile(_NAMES, re.IGNORECASE)
# In a text that holds lines of its own, such as headers or the parameters of a plugin.
_LINE = re.compile(rf"^[ \t-]*[\"']?{_NAMES}[\"']?:[ \t]*(?P<value>\S[^\n]*)$", re.IGNORECASE | re.MULTILINE)
# In a text that is no YAML, or not yet.
_UNPARSED = re.compile(rf"(?P<name>{_NAMES})(?P<colon>[\"']?[ \t]*:[ \t]*)(?P<value>[^\s,}}][^,}}\n]*)", re.IGNORECASE)
# Where a generated file holds one; the names of Kubernetes Secrets are none.
_GENERATED = re.compile(
    rf"^(?P<head>[ +-]*(?:- )?[\"']?(?:key(?!: remote_addr$)|{_NAMES})[\"']?: )(?!(?:true|false)$)(?P<value>\S.*)$",
    re.IGNORECASE,
)
_NOT_SECRET = frozenset(("apisix_oidc_secret", "tls_secret", "secretref"))
_KEYS = ("env", "secret")


@dataclass(frozen=True, slots=True)
class Credential:
    """A secret: its value, or the name of the Kubernetes Secret that holds it."""

    value: str = field(repr=False)
    secret: str
    span: Span


def read_credential(entry: Entry, environment: Mapping[str, str]) -> Credential | None:
    """Read a literal, `{env: NAME}` or `{secret: NAME}`."""
    if isinstance(entry.value, str):
        if is_placeholder(entry.value):
            entry.refuse(INVALID_VALUE, "expected a secret, found a placeholder", hint="use {secret: NAME}")
            return None
        hint = "use {secret: NAME} to name a Kubernetes Secret that holds it"
        entry.refuse(INLINE_SECRET, "the secret is written into the generated files", hint=hint)
        return Credential(entry.value.strip(), "", entry.span)
    if not isinstance(entry.value, dict):
        hint = "put it in quotes, or use {secret: NAME} or {env: NAME}"
        entry.refuse(WRONG_TYPE, "expected a string, {env: NAME} or {secret: NAME}", hint=hint)
        return None
    entry.check_keys(_KEYS)
    sources = [found for key in _KEYS if (found := entry.get(key)) is not None]
    if len(sources) != 1:
        rule = INVALID_VALUE if sources else MISSING_FIELD
        entry.refuse(rule, 'expected exactly one of "env" and "secret"', hint="such as {secret: NAME}")
        return None
    name = sources[0].text()
    if name is None:
        return None
    if is_placeholder(name):
        sources[0].refuse(INVALID_VALUE, "expected a name, found a placeholder", hint="give it its real name")
        return None
    if sources[0].path[-1] == "secret":
        return Credential("", name, entry.span)
    value = environment.get(name, "").strip()
    if not value:
        hint = "set it, or use {secret: NAME} to name a Kubernetes Secret"
        sources[0].refuse(ENVIRONMENT, f"the environment variable {name} is not set", hint=hint)
        return None
    entry.refuse(INLINE_SECRET, f"the value of {name} is written into the generated files", hint="use {secret: NAME}")
    return Credential(value, "", entry.span)


def mask_secrets(tree: Tree) -> SourceFile:
    """The file of a stack with its secrets as asterisks; every other character keeps its place."""
    found = set()
    for path, secret in _find_secrets(tree.value, ()):
        parts = {part.strip() for part in secret.split("\n")} - {""}
        written = tree.text(path)
        # Where a secret is written with escapes, as JSON may have it, the whole value goes.
        found |= parts if all(part in written for part in parts) else set(written.split("\n"))
    text = tree.file.text
    for part in sorted(found, key=len, reverse=True):
        text = text.replace(part, "*" * len(part))
    return SourceFile(tree.file.name, text)


def mask_text(source: SourceFile) -> SourceFile:
    """The same for a text that could not be parsed: whatever follows the name of a secret on its line is masked."""

    def mask(found: re.Match[str]) -> str:
        is_none = found["name"].lower() in _NOT_SECRET
        return found[0] if is_none else found["name"] + found["colon"] + "*" * len(found["value"])

    return SourceFile(source.name, _UNPARSED.sub(mask, source.text))


def redact_line(line: str) -> str:
    """A line of a generated file without the secret that it may hold."""
    found = _GENERATED.match(line)
    if found is None or any(f"{name}:" in found["head"].lower() for name in _NOT_SECRET):
        return line
    return f"{found['head']}<redacted>"


def is_secret_name(name: str) -> bool:
    """Whether a field or header of a name holds a secret."""
    return _NAME.fullmatch(name) is not None and name.lower() not in _NOT_SECRET


def _find_secrets(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    if isinstance(value, dict):
        # {secret: NAME} and {env: NAME} name a secret and are none.
        is_reference = bool(value) and set(value) <= set(_KEYS) and "session" not in key
        for name, child in value.items():
            if not is_reference:
                yield from _find_secrets(child, (*path, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _find_secrets(child, (*path, index))
    elif isinstance(value, str):
        if "\n" in value:
            yield from ((path, found["value"].strip("\"' ")) for found in _LINE.finditer(value))
        elif _LINE.match(value):
            yield path, _LINE.sub(r"\g<value>", value)
        if is_secret_name(key):
            yield path, value
    elif isinstance(value, int | float) and not isinstance(value, bool) and _NAME.fullmatch(key):
        yield path, str(value)
