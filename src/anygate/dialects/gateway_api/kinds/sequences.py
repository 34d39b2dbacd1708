"""The same names as `anygate.manifests.sequences`, where this dialect looks for them."""

from anygate.manifests.sequences import (
    Distinct,
    NonEmpty,
    T,
)

__all__ = [
    "Distinct",
    "NonEmpty",
    "T",
]
