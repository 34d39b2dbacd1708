"""The kinds of Envoy Gateway (gateway.envoyproxy.io) and the settings that they share."""
