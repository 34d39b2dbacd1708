"""OpenAI's API as Azure serves it, simulated."""
