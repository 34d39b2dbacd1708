"""What is kept on disk: who used which model, and how much."""
