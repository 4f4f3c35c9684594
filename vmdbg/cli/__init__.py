"""The command line: `vmdbg run` and its relatives."""

from __future__ import annotations

import gc

GARBAGE_THRESHOLD = 500_000
"""Objects between two looks for garbage. Python's 700 costs a tenth of the start-up, most of it for imports."""

gc.set_threshold(GARBAGE_THRESHOLD)
