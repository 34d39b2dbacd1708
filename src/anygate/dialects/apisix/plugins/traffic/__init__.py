"""How much, how often and where to."""
