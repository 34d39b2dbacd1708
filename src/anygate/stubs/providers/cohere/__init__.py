"""Cohere's API, simulated."""
