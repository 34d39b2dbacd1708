"""Stream framings: server-sent events, AWS event-stream frames, compressed bodies."""

from anygate.providers.framing.aws_event_stream import Frame, FrameDecoder, encode_frame
from anygate.providers.framing.compression import Decompressor
from anygate.providers.framing.fault import FramingFault
from anygate.providers.framing.sse import SseDecoder, encode_event, read_block

__all__ = [
    "Decompressor",
    "Frame",
    "FrameDecoder",
    "FramingFault",
    "SseDecoder",
    "encode_event",
    "encode_frame",
    "read_block",
]
