"""Rules for models written in the kinds of Envoy AI Gateway, and what of them cannot be said in those."""
