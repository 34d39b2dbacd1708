"""A local Ollama, simulated."""
