"""Delivery of snapshots to Envoys over the delta ADS protocol."""
