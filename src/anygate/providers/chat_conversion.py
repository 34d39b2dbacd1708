"""Chat between two different formats, by way of the canonical chat."""

from collections.abc import Callable
from typing import Any

import msgspec

from anygate.providers.anthropic import answers as anthropic_answers
from anygate.providers.anthropic import read_request as anthropic_request
from anygate.providers.anthropic.write_stream import MessageStreamWriter
from anygate.providers.chat import Answer, ChatRequest, StreamWriter
from anygate.providers.chat_backends import CHAT_BACKENDS, ChatBackend
from anygate.providers.chat_pipe import ChatPipe, SsePipe
from anygate.providers.conversion import Conversion, StreamPipe
from anygate.providers.formats import ClientFormat
from anygate.providers.json_text import parse_request, render
from anygate.providers.losses import Losses
from anygate.providers.openai_chat import answers as openai_answers
from anygate.providers.openai_chat import read_request as openai_request
from anygate.providers.openai_chat.write_stream import ChatStreamWriter
from anygate.providers.openai_responses import answers as responses_answers
from anygate.providers.openai_responses import read_request as responses_request
from anygate.providers.openai_responses.write_stream import ResponseStreamWriter
from anygate.providers.refusal import ErrorReply, Refused, bad_request
from anygate.providers.setting import Setting, Upstream

READERS: dict[ClientFormat, Callable[[dict[str, Any], Losses], ChatRequest]] = {
    ClientFormat.CHAT: openai_request.read_request,
    ClientFormat.RESPONSES: responses_request.read_request,
    ClientFormat.MESSAGES: anthropic_request.read_request,
}
_ID_PREFIXES = {ClientFormat.CHAT: "chatcmpl-", ClientFormat.RESPONSES: "resp_", ClientFormat.MESSAGES: "msg_"}


_NOT_READ = ChatRequest(model="", messages=[])


class ChatConversion(Conversion):
    """The hub: read the client's request, write the backend's, and back."""

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._backend: ChatBackend = CHAT_BACKENDS[setting.backend.format](setting)
        self._request = _NOT_READ

    def convert_request(self, body: bytes) -> Upstream:
        """Decode once, encode once."""
        setting = self.setting
        request = self._request = READERS[setting.client](parse_request(body), setting.losses)
        if not request.model:
            raise bad_request("model", "the model is empty")
        model = setting.choose_model(request.model)
        path, written = self._backend.write_request(request, model)
        if setting.client is ClientFormat.MESSAGES and setting.headers.get("anthropic-beta"):
            setting.losses.add("anthropic-beta", "the backend has none of Anthropic's beta features")
        headers = [("content-type", "application/json"), *self._backend.extra_headers()]
        return Upstream("POST", path, headers, _render_request(written), request.stream)

    def convert_answer(self, body: bytes) -> bytes:
        """A whole answer."""
        answer = self._backend.read_answer(body)
        setting = self.setting
        answer.answer_id = answer.answer_id or setting.request_id or setting.new_id(_ID_PREFIXES[setting.client])
        answer.model = answer.model or setting.model
        setting.model = answer.model
        setting.usage.replace_with(answer.usage)
        if setting.client is not ClientFormat.CHAT:
            _report_extras(answer, setting.losses)
        return self._write_answer(answer)

    def _write_answer(self, answer: Answer) -> bytes:
        if self.setting.client is ClientFormat.CHAT:
            return openai_answers.write_answer(answer)
        if self.setting.client is ClientFormat.RESPONSES:
            return responses_answers.write_answer(answer, self._request.echo)
        return anthropic_answers.write_answer(answer)

    def open_stream(self) -> StreamPipe:
        """A pipe with the client's writer behind the backend's reader."""
        pipe = SsePipe if self._backend.is_sse else ChatPipe
        return pipe(self.setting, self._backend, self._open_writer())

    def _open_writer(self) -> StreamWriter:
        usage = self.setting.usage
        if self.setting.client is ClientFormat.CHAT:
            return ChatStreamWriter(usage, include_usage=self._request.include_usage or self.setting.counted)
        if self.setting.client is ClientFormat.RESPONSES:
            return ResponseStreamWriter(usage, self._request.echo)
        return MessageStreamWriter(usage)

    def read_error(self, status: int, body: bytes) -> ErrorReply | None:
        """The backend's error."""
        return self._backend.read_error(status, body)


def _report_extras(answer: Answer, losses: Losses) -> None:
    """What only an OpenAI chat client is shown."""
    for name in answer.extra:
        losses.add(f"answer.{name}", "the client's format has no place for it")
    if any(choice.logprobs is not None for choice in answer.choices):
        losses.add("answer.logprobs", "the client's format has no place for them")
    if len(answer.choices) > 1:
        losses.add("answer.choices", "the client's format holds one answer")


def _render_request(written: dict[str, Any]) -> bytes:
    try:
        return render(written)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as problem:
        raise Refused(400, f"malformed request: {problem}") from None
