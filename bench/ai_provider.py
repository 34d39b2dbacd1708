"""A provider whose streams leave event by event, as real ones do: `python ai_provider.py PORT`. Used by `ai.py`."""

import asyncio
import sys

import ai_bodies
import httptools
import uvloop

_PATHS = {b"/v1/chat/completions": "chat", b"/v1/messages": "messages"}


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _split(stream: str) -> list[bytes]:
    events = [f"{event}\n\n".encode() for event in stream.split("\n\n") if event]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head, *map(_chunk, events), b"0\r\n\r\n"]


def _whole(answer: str) -> list[bytes]:
    body = answer.encode()
    return [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)]


_ANSWERS = {
    ("chat", False): _whole(ai_bodies.chat_answer()),
    ("chat", True): _split(ai_bodies.chat_stream()),
    ("messages", False): _whole(ai_bodies.message_answer()),
    ("messages", True): _split(ai_bodies.message_stream()),
}


class Provider(asyncio.Protocol):
    """One connection; `x-bench: stream` asks for a stream."""

    def connection_made(self, transport: asyncio.WriteTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""
        self._stream = False

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._path, self._stream = b"", False

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"x-bench":
            self._stream = value == b"stream"

    def on_message_complete(self) -> None:
        for part in _ANSWERS[_PATHS[self._path.partition(b"?")[0]], self._stream]:
            self._transport.write(part)


async def main(port: int) -> None:
    """Serve until killed."""
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
