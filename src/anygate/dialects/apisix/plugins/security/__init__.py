"""Who may ask, and how they are recognised."""
