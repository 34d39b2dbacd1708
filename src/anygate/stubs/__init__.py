"""Simulated services: an echo for every backend that cannot be reached from here."""

from anygate.stubs.request_log import RequestRecord
from anygate.stubs.stub import Address, EchoStub, Kind, UdpAddress, UnixAddress
from anygate.stubs.stub_set import StubSet, StubSpec
from anygate.stubs.vendor import VENDORS, Vendor

__all__ = [
    "VENDORS",
    "Address",
    "EchoStub",
    "Kind",
    "RequestRecord",
    "StubSet",
    "StubSpec",
    "UdpAddress",
    "UnixAddress",
    "Vendor",
]
