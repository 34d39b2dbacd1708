"""What two models do otherwise: compared by the requests they answer, not by how they are written."""

from anygate.diff.answer import Aspect, Difference, Differences, Place
from anygate.diff.compare import diff_models
from anygate.diff.render import render_json, render_text

__all__ = ["Aspect", "Difference", "Differences", "Place", "diff_models", "render_json", "render_text"]
