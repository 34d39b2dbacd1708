"""OpenAI embeddings at Titan on Bedrock, Gemini and Cohere."""

from anygate.providers.embeddings.conversion import EmbeddingConversion

__all__ = ["EmbeddingConversion"]
