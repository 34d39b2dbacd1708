"""gRPC services that Envoy calls: rate limits and access logs."""
