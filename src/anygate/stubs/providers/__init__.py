"""Simulated LLM providers: each vendor's own wire format, checked as strictly and answered the same every time."""

from anygate.stubs.providers.stub import ProviderStub
from anygate.stubs.vendor import VENDORS, Vendor

__all__ = ["VENDORS", "ProviderStub", "Vendor"]
