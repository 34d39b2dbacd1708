"""What the builder leaves out."""

NOT_CARRIED: dict[str, str] = {}
