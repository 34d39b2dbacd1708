"""What never should happen, said without what it happened to."""

import sys
from traceback import extract_tb


def report_defect(defect: BaseException) -> None:
    """Say where something failed that never should. The message could hold a user's words, so it is left out."""
    frames = extract_tb(defect.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "an unknown place"
    print(f"{type(defect).__name__} in {place}", file=sys.stderr, flush=True)
