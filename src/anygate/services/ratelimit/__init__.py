"""The rate-limit service that Envoy asks (`envoy.service.ratelimit.v3`), with its counters in memory or in Redis."""

from anygate.services.ratelimit.counters import Counters, CountersAway
from anygate.services.ratelimit.places import open_counters
from anygate.services.ratelimit.service import RateLimitService

__all__ = ["Counters", "CountersAway", "RateLimitService", "open_counters"]
