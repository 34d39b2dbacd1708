"""Checks that Envoy has nothing for, as the service that it asks about requests (`envoy.service.auth.v3`)."""
