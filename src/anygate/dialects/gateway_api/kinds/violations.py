"""The same names as `anygate.manifests.violations`, where this dialect looks for them."""

from anygate.manifests.violations import (
    Code,
    Violations,
    check_any,
    check_distinct,
    check_exactly_one,
    check_exclusive,
    check_selected,
)

__all__ = [
    "Code",
    "Violations",
    "check_any",
    "check_distinct",
    "check_exactly_one",
    "check_exclusive",
    "check_selected",
]
