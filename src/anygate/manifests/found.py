"""Names what a manifest holds, for messages of the form `expected an integer, found a string "80"`."""

from anygate.manifests.scalars import resolve_plain

_LONGEST = 60


def describe_value(value: object, text: str = "") -> str:
    """A value in words. `text` is its source, which is shown because that is what the user wrote."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, str):
        return f'a string "{_crop(value)}"'
    shown = _crop(text.strip() or str(value).lower())
    if isinstance(value, bool):
        return f"a boolean {shown}"
    return f"an integer {shown}" if isinstance(value, int) and shown.isdecimal() else f"a number {shown}"


def describe_type(value: object) -> str:
    """What kind of value it is, without showing it."""
    return " ".join(describe_value(value, "0").split()[:2]) if value is not None else "nothing"


def hint_type(expected: str, value: object, text: str = "") -> str:
    """What to do about a value of the wrong type, when that is clear."""
    if expected == "a string" and isinstance(value, bool | int | float):
        return f'put it in quotes: "{_crop(text.strip() or str(value).lower())}"'
    if isinstance(value, str) and expected in ("an integer", "a number", "a boolean"):
        meaning = resolve_plain(value)
        kinds = {"an integer": (int,), "a number": (int, float), "a boolean": (bool,)}[expected]
        if type(meaning) in kinds:
            return f"remove the quotes: {_crop(value)}"
    if expected == "a list" and value is not None:
        return 'write it as a list, each item on a line that starts with "- "'
    return ""


def _crop(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
