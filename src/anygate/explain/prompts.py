"""What becomes of a request's prompts."""

from collections.abc import Iterator

from anygate.explain.answer import Applied
from anygate.model.prompts import PromptGuard, Prompts


def describe_prompts(prompts: Prompts) -> Iterator[Applied]:
    """List what is done with prompts, in its order."""
    if prompts.templates:
        names = ", ".join(one.name for one in prompts.templates)
        yield Applied(kind="prompt template", text=f"one of {names}, by template_name", place=prompts.origin.place)
    for guard in prompts.guards:
        yield Applied(kind="prompt guard", text=_guard(guard), place=guard.origin.place)
    for decoration in prompts.decorations:
        text = f"{len(decoration.prepend)} messages before, {len(decoration.append)} behind"
        yield Applied(kind="prompt decoration", text=text, place=decoration.origin.place)


def _guard(guard: PromptGuard) -> str:
    whose = "anybody" if guard.all_roles else "a user"
    where = f"all messages of {whose}" if guard.whole_history else f"the last message of {whose}"
    allowed = [f"has none of {', '.join(guard.allow)}"] if guard.allow else []
    denied = [f"has {', '.join(guard.deny)}"] if guard.deny else []
    return f"refused if {where} {' or '.join([*allowed, *denied])}" if allowed or denied else "lets everything pass"
