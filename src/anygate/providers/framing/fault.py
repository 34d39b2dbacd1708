"""The one way a framing fails."""


class FramingFault(Exception):  # noqa: N818 - the upstream's fault, turned into a stream end by the caller
    """The bytes do not follow the framing: a wrong checksum, an oversized frame, a broken compression."""
