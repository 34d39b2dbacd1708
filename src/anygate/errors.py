"""The few exceptions: everything about a manifest is a diagnostic instead."""


class AnygateError(Exception):
    """Ends the program with a one-line message and `exit_code`."""

    exit_code = 1


class UsageError(AnygateError):
    """The command line asks for something that makes no sense."""

    exit_code = 2


class EnvironmentProblem(AnygateError):  # noqa: N818 - it is not our error
    """Something outside the manifests is broken: a missing file, a taken port, no Envoy."""

    exit_code = 3


class InternalError(AnygateError):
    """A bug in anygate."""

    exit_code = 70
