"""From the gateway model to Envoy resources, written in Envoy's own API."""
