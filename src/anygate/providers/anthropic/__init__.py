"""Anthropic messages (docs.anthropic.com/en/api/messages): client, and backend at Anthropic, on Bedrock and on
Vertex.
"""
