"""The canonical chat: what every wire format is read into and written from."""

from anygate.providers.chat.answer import Answer, Choice, StopReason
from anygate.providers.chat.parts import (
    Audio,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    RefusalText,
    Text,
    ToolCall,
    ToolResult,
)
from anygate.providers.chat.request import ChatRequest, OutputFormat, Thinking, Tool, ToolChoice, VendorTool
from anygate.providers.chat.stream import StreamWriter

__all__ = [
    "Answer",
    "Audio",
    "ChatRequest",
    "Choice",
    "File",
    "Image",
    "Message",
    "OutputFormat",
    "Part",
    "Reasoning",
    "RefusalText",
    "StopReason",
    "StreamWriter",
    "Text",
    "Thinking",
    "Tool",
    "ToolCall",
    "ToolChoice",
    "ToolResult",
    "VendorTool",
]
