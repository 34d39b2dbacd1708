"""A small wolf server: it answers what it is told to, and remembers what it was asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit


class Wolf:
    """Answers each question with the next answer, the last one for good; `asked` holds the questions (path, query and
    token), `hosts` whom they were for."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        self.asked: list[tuple[str, dict[str, list[str]], str]] = []
        self.hosts: list[str] = []
        self.answers = list(answers)
        self.url = ""


@contextmanager
def wolf(*answers: tuple[int, object]) -> Iterator[Wolf]:
    found = Wolf(
        *((status, body if isinstance(body, bytes) else json.dumps(body).encode()) for status, body in answers)
    )

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            found.asked.append((parts.path, parse_qs(parts.query), self.headers.get("x-rbac-token", "")))
            found.hosts.append(self.headers.get("host", ""))
            status, body = found.answers.pop(0) if len(found.answers) > 1 else found.answers[0]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = Thread(target=server.serve_forever)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
