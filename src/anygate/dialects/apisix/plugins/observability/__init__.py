"""What is told about requests."""
