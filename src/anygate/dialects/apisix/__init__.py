"""APISIX: what writes its route files."""
