"""The access-log service: entries of AI requests come in from Envoy, rows of usage go into the store."""

from anygate.services.access_log.service import AccessLogService
from anygate.services.access_log.writer import UsageWriter

__all__ = ["AccessLogService", "UsageWriter"]
