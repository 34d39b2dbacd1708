"""The model written as Gateway API manifests with Envoy Gateway's policies, and what of it cannot be said in them."""

from anygate.dialects.gateway_api.write.losses import Loss
from anygate.dialects.gateway_api.write.objects import Document, Errand
from anygate.dialects.gateway_api.write.text import render_files, render_report, render_stream
from anygate.dialects.gateway_api.write.write import Options, Written, write_model

__all__ = [
    "Document",
    "Errand",
    "Loss",
    "Options",
    "Written",
    "render_files",
    "render_report",
    "render_stream",
    "write_model",
]
