"""OpenAI responses (platform.openai.com/docs/api-reference/responses) as a client format."""
