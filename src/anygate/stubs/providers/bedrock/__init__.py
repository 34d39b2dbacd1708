"""AWS Bedrock's runtime, simulated."""
