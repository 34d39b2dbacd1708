"""Envoy's own log, line by line."""

import json
import re
from dataclasses import dataclass

FORMAT = '{"level":"%l","logger":"%n","message":"%j"}'
"""Envoy's `--log-format` as `parse_line` reads it; `%j` is the message escaped for JSON."""

_NOISE = re.compile(
    # Refusals reach us as NACKs with the resource named; the log only repeats them, up to four times.
    r"^(gRPC|delta) config for type\.googleapis\.com/"
    r"|^[cl]ds: .* (config )?rejected: |^listener '.*' failed to bind or apply socket options"
    # Expected whenever the ADS server restarts.
    r"|^DeltaAggregatedResources gRPC config stream to \S+ closed"
    # Said at each start; on one host the limit of open files is the limit of connections.
    r"|^There is no configured limit to the number of allowed active downstream connections"
    # Said at each `stop`.
    r"|^caught ENVOY_SIGTERM"
)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of Envoy's log. What Envoy did not format itself, such as a crash report, is `critical`."""

    level: str
    logger: str
    message: str


def parse_line(text: str) -> LogLine:
    """Return the line of a text in FORMAT, or the text itself as a critical line."""
    try:
        found = json.loads(text)
        return LogLine(found["level"], found["logger"], found["message"])
    except (ValueError, TypeError, KeyError):
        return LogLine("critical", "", text)


def is_noise(line: LogLine) -> bool:
    """Tell whether a line says nothing that the user does not learn elsewhere."""
    return line.level in ("trace", "debug", "info") or bool(_NOISE.search(line.message))
