"""A stream of chat on its way: framing, the backend's reader, the client's writer."""

from contextlib import suppress

from anygate.providers.chat import StreamWriter
from anygate.providers.chat_backends import ChatBackend, Events
from anygate.providers.conversion import StreamPipe
from anygate.providers.framing import FramingFault, SseDecoder, read_block
from anygate.providers.refusal import ErrorReply, Refused
from anygate.providers.setting import Setting
from anygate.providers.text_frame import NO_FRAME, is_string, learn_frame

_RUNS = 4
_LONGEST_PAUSE = 31


class ChatPipe(StreamPipe):
    """One canonical stream from framing over reader to writer."""

    def __init__(self, setting: Setting, backend: ChatBackend, writer: StreamWriter) -> None:
        self._setting = setting
        self._framing = backend.open_framing()
        self._writer = writer
        self._reader = backend.open_reader(writer)

    def feed(self, chunk: bytes) -> bytes:
        """Every event that the chunk completes; what follows the end is not looked at."""
        writer = self._writer
        if writer.ended:
            return b""
        try:
            self._read(chunk)
        except Refused as refused:
            writer.fail(refused.reply)
        except FramingFault as fault:
            writer.fail(ErrorReply(502, f"the provider's stream could not be read: {fault}", kind="api_error"))
        return writer.take()

    def finish(self) -> bytes:
        """The upstream closed; a half event at the very end only shows that the stream is cut short."""
        writer = self._writer
        if not writer.ended:
            with suppress(Refused):
                self._read_rest()
            if not writer.ended:
                self._reader.finish()
        self._setting.model = self._reader.model or self._setting.model
        return writer.take()

    def fail(self, error: ErrorReply) -> bytes:
        """The client's own way of ending badly."""
        if not self._writer.ended:
            self._writer.fail(error)
        return self._writer.take()

    def _read(self, chunk: bytes) -> None:
        self._read_events(self._framing.feed(chunk))

    def _read_rest(self) -> None:
        self._read_events(self._framing.finish())

    def _read_events(self, events: Events) -> None:
        reader, writer = self._reader, self._writer
        for name, payload in events:
            reader.feed(name, payload)
            if writer.ended:
                break
        if reader.model:
            self._setting.model = reader.model


class SsePipe(ChatPipe):
    """The same for server-sent events, with the short way for text."""

    def __init__(self, setting: Setting, backend: ChatBackend, writer: StreamWriter) -> None:
        super().__init__(setting, backend, writer)
        self._decoder = SseDecoder()
        self._frame = NO_FRAME
        self._pause = 0
        self._skipped = 0

    def feed(self, chunk: bytes) -> bytes:
        """Every event that the chunk completes; most reads bring just one, and that of text."""
        frame, writer = self._frame, self._writer
        if chunk.endswith(frame.end) and chunk.startswith(frame.before) and self._decoder.is_idle:
            literal = chunk[frame.head : -frame.tail]
            fits = frame is not NO_FRAME and is_string(literal)
            if fits and not self._reader.holds_text and not writer.ended:
                writer.literals([literal])
                return writer.take()
        return super().feed(chunk)

    def _read(self, chunk: bytes) -> None:
        blocks = self._decoder.cut(chunk)
        reader, writer = self._reader, self._writer
        at, tries = 0, _RUNS
        while at < len(blocks) and not writer.ended:
            # A run that is none has looked at the whole rest, so only a few are tried.
            if tries and blocks.startswith(self._frame.before, at) and not reader.holds_text:
                tries -= 1
                run, end = self._frame.cut_run(blocks, at)
                if run:
                    writer.literals(run)
                    at = end
                    continue
            end = blocks.find(b"\n\n", at)
            if end < 0:  # an empty line too many
                break
            self._read_block(blocks[at:end])
            at = end + 2

    def _read_rest(self) -> None:
        self._read_events(iter(self._decoder.finish()))

    def _read_block(self, block: bytes) -> None:
        reader = self._reader
        if not reader.holds_text:
            plain = block if reader.padding is None else reader.padding(block)
            literal = self._frame.cut_string(plain)
            if literal is not None:
                self._writer.literals([literal])
                return
        event = read_block(block)
        if event is None:
            return
        reader.feed(*event)
        if reader.model:
            self._setting.model = reader.model
        if reader.plain_mark is not None and reader.plain_mark in block and not reader.holds_text:
            self._learn(block)

    def _learn(self, block: bytes) -> None:
        """Try ever more rarely: a stream may be of events that have the mark and are no plain text."""
        self._skipped += 1
        if self._skipped <= self._pause:
            return
        self._skipped = 0
        self._pause = min(2 * self._pause + 1, _LONGEST_PAUSE)
        padding = self._reader.padding
        frame = learn_frame(self._reader, block if padding is None else padding(block))
        if frame is not None:
            self._frame = frame
