"""Other requests for backends, other answers for clients."""
