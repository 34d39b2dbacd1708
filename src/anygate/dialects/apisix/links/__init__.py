"""A stack file to the route files of APISIX: one file per type of link, a Helm overlay and a kustomization.

Pure: the text of a stack file goes in, the texts of files come out, and every mistake is a diagnostic with its place
in the stack file. `generate` is the one way in; `plan` compares its files with what a folder holds.
"""

from anygate.dialects.apisix.links.generate import Generated, generate
from anygate.dialects.apisix.links.stack import Options

__all__ = ["Generated", "Options", "generate"]
