"""An explanation as text for people and as JSON for programs, with the same content."""

from collections.abc import Sequence

import msgspec

from anygate.explain.answer import Applied, Decision, Explanation, Share, Upstream

_SIGNS = {"set": "=", "add": "+", "remove": "-"}


def render_text(answer: Explanation) -> str:
    """Render aligned plain text that needs no colour; ends with a line break."""
    blocks = [_request_lines(answer)]
    rows = [(step.kind, step.name, step.place, step.text) for step in answer.steps]
    blocks.append(_table(rows))
    blocks.append(_titled("applies", [_applied_row(each) for each in answer.applied]))
    blocks += _share_blocks(_sent(answer))
    blocks.append(_decision_block(answer.decision))
    near = [(miss.kind, miss.name, miss.place, miss.text) for miss in answer.near_misses]
    blocks.append(_titled("near misses", near))
    blocks.append([f"note: {note}" for note in answer.notes])
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def render_json(answer: Explanation) -> str:
    """Render every field, in the order of its declaration; ends with a line break."""
    return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n"


def _sent(answer: Explanation) -> list[Share]:
    return [share for share in answer.targets if share.upstream is not None and share.percent > 0]


def _titled(title: str, rows: Sequence[tuple[str, ...]]) -> list[str]:
    return [title, *_table(rows)] if rows else []


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Align columns with two spaces between them; the last one runs free."""
    if not rows:
        return []
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    return [
        ("  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])).rstrip()
        for row in rows
    ]


def _applied_row(each: Applied) -> tuple[str, str, str]:
    return each.kind, each.place, each.text


def _request_lines(answer: Explanation) -> list[str]:
    """The request as it was given; its host too where that is not the one of the URL."""
    head = [f"{answer.method} {answer.url}"]
    named = answer.url.partition("://")[2].partition("/")[0]
    return head if answer.host == named else [*head, f"  host: {answer.host}"]


def _share_blocks(shares: list[Share]) -> list[list[str]]:
    """What each backend receives; once for all where they receive the same."""
    blocks: dict[tuple[str, ...], list[Share]] = {}
    for share in shares:
        assert share.upstream is not None
        lines = [*_upstream_lines(share.upstream), *_table([_applied_row(note) for note in share.notes])]
        blocks.setdefault(tuple(lines), []).append(share)
    if len(blocks) == 1:
        return [["upstream", *lines] for lines in blocks]
    return [[_shares_title(found), *lines] for lines, found in blocks.items()]


def _shares_title(shares: list[Share]) -> str:
    percent = sum(share.percent for share in shares)
    return f"upstream {', '.join(share.title for share in shares)}: {percent:.4g}% of such requests"


def _upstream_lines(upstream: Upstream) -> list[str]:
    lines = [
        f"  {upstream.method} {upstream.path}",
        f"  host: {upstream.host or '(the name of the endpoint)'}",
    ]
    for change in upstream.headers:
        value = "" if change.change == "remove" else f": {change.value}"
        lines.append(f"  {_SIGNS[change.change]} {change.name}{value}")
    return lines


def _decision_block(decision: Decision) -> list[str]:
    because = f": {decision.reason}" if decision.reason else ""
    if decision.kind == "none":
        return [f"no answer{because}"]
    if decision.kind == "forward":
        return [f"forwarded{because}"] if because else []
    lines = [f"answer {decision.status}{because}"]
    if decision.location:
        lines.append(f"  location: {decision.location}")
    if decision.content_type:
        lines.append(f"  content-type: {decision.content_type}")
    lines += [f"  {line}" for line in decision.body.splitlines()]
    return lines
