"""The MCP gateway and the servers behind it, as Envoy sees them."""
