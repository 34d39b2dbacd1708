"""Cohere v2 chat (docs.cohere.com/v2/reference/chat): backend."""
