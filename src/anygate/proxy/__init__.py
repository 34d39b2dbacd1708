"""The local Envoy: its bootstrap, its process, its admin interface."""
