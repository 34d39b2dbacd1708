"""What is wrong with a manifest, where, and what to do about it.

Manifest mistakes are data: every step of the compiler appends `Diagnostic` values to one `Report` and
goes on. Nothing here performs I/O.
"""

from anygate.diagnostics.diagnostic import Diagnostic, ObjectRef, Related, Severity
from anygate.diagnostics.report import Report
from anygate.diagnostics.rule import RULES, Rule
from anygate.diagnostics.source import DerivedFile, FieldPath, SourceFile, Span, render_path

__all__ = [
    "RULES",
    "DerivedFile",
    "Diagnostic",
    "FieldPath",
    "ObjectRef",
    "Related",
    "Report",
    "Rule",
    "Severity",
    "SourceFile",
    "Span",
    "render_path",
]
