"""What the control plane and the MCP gateway have in common: orders in headers, patterns and expressions."""
