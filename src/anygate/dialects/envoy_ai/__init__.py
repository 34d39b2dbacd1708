"""The dialect of Envoy AI Gateway (aigateway.envoyproxy.io) and of the inference pools that it routes to."""
