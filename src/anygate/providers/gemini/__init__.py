"""Gemini generateContent (ai.google.dev/api/generate-content; Vertex AI has the same body): backend."""
