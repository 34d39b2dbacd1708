"""Anthropic's API, simulated, also as other clouds serve it."""
