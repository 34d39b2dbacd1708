"""The end-to-end tests' bootstrap serves here as well, for `envoy --mode validate`."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3] / "e2e"))
