"""APISIX's plugins, one file for each or for a few that are alike; the table says which are known."""
