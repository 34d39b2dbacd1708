"""Prometheus pages that our processes serve on Unix sockets: fetched, and added up to one."""

import asyncio
from collections.abc import Sequence

_PATIENCE = 2.0


async def read_page(path: str) -> str:
    """The page of the process behind a Unix socket; empty if it does not answer."""
    try:
        async with asyncio.timeout(_PATIENCE):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                writer.write(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                answer = await reader.read()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return ""
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.decode() if head.startswith(b"HTTP/1.1 200 ") else ""


def add_up(texts: Sequence[str]) -> str:
    """The counts of several workers as one text: equal series are added."""
    sums: dict[str, float] = {}
    heads: dict[str, None] = {}
    for text in texts:
        for line in text.splitlines():
            if line.startswith("#"):
                heads.setdefault(line, None)
            else:
                series, _, value = line.rpartition(" ")
                sums[series] = sums.get(series, 0) + float(value)
    lines = []
    for head in heads:
        lines.append(head)
        if head.startswith("# TYPE "):
            name = head.split()[2]
            lines += [f"{series} {value:.12g}" for series, value in sums.items() if series.partition("{")[0] == name]
    return "\n".join(lines) + "\n"
