"""Any gateway manifest, one Envoy: compile, run, check and explain gateway manifests."""

__version__ = "0.1.0"
