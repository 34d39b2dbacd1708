"""OpenAI's API, simulated."""
