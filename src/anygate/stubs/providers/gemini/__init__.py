"""Gemini, simulated: AI Studio and Vertex."""
