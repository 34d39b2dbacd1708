"""Why a request goes where it goes: what Envoy decides, and the line that makes it so."""

from anygate.explain.answer import Explanation
from anygate.explain.render import render_json, render_text
from anygate.explain.request import Request, parse_request
from anygate.explain.walk import explain

__all__ = ["Explanation", "Request", "explain", "parse_request", "render_json", "render_text"]
