"""Diagnostics as SARIF 2.1.0, for code scanning."""

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from anygate.diagnostics.diagnostic import Diagnostic, Severity
from anygate.diagnostics.rule import RULES, Rule
from anygate.diagnostics.source import Span, render_path

_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render_sarif(diagnostics: Iterable[Diagnostic], *, version: str = "") -> str:
    """Render a SARIF log with one run; `version` is that of anygate."""
    rules = sorted(RULES.values(), key=lambda rule: rule.id)
    places = {rule.id: number for number, rule in enumerate(rules)}
    driver: dict[str, Any] = {"name": "anygate", "rules": [_build_rule(rule) for rule in rules]}
    if version:
        driver["version"] = version
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_build_result(found, places) for found in diagnostics],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _build_rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": f"{rule.what}\n{rule.why}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _build_result(found: Diagnostic, places: dict[str, int]) -> dict[str, Any]:
    at = f" at {render_path(found.path)}" if found.path else ""
    hint = f"\nhint: {found.hint}" if found.hint else ""
    result: dict[str, Any] = {
        "ruleId": found.rule,
        "level": _LEVELS[found.severity],
        "message": {"text": f"{found.message}{at}{hint}"},
    }
    if found.rule in places:
        result["ruleIndex"] = places[found.rule]
    if found.span:
        location = _build_location(found.span)
        if found.object:
            location["logicalLocations"] = [{"fullyQualifiedName": str(found.object), "kind": "object"}]
        result["locations"] = [location]
    if found.related:
        result["relatedLocations"] = [
            {**_build_location(related.span), "id": number, "message": {"text": related.message}}
            for number, related in enumerate(found.related, 1)
        ]
    return result


def _build_location(span: Span) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(span.file.name, safe="/")},
            "region": {
                "startLine": span.line,
                "startColumn": span.column,
                "endLine": span.end_line,
                "endColumn": span.end_column,
            },
        }
    }
