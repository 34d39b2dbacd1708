"""APISIX's plugins by their purpose, one file for each or for a few that are alike; the table says which are known.

Beside the folders stands what all of them need, and what puts the plugins of a rule together (`assembly.py`).
"""
