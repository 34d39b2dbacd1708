"""LLM wire formats: conversions between what clients and providers speak, bytes in and bytes out, without any I/O."""

from anygate.providers.conversions import find_conversion, is_passthrough
from anygate.providers.exchange import Exchange, FailKind
from anygate.providers.formats import Backend, BackendFormat, ClientFormat
from anygate.providers.losses import Loss, render_losses
from anygate.providers.rewrite import rewrite_top_level
from anygate.providers.setting import Refusal, Upstream
from anygate.providers.usage import Usage

__all__ = [
    "Backend",
    "BackendFormat",
    "ClientFormat",
    "Exchange",
    "FailKind",
    "Loss",
    "Refusal",
    "Upstream",
    "Usage",
    "find_conversion",
    "is_passthrough",
    "render_losses",
    "rewrite_top_level",
]
