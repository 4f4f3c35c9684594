"""Attacks on devices for as long as one likes: `python -m tests.fuzz [STEPS [TARGET ...]]`."""

from __future__ import annotations

import sys
import traceback
from difflib import get_close_matches

from tests.fuzz.rounds import fuzz
from tests.fuzz.targets import TARGETS

STEPS = 1_000_000


def main() -> int:
    steps = int(float(sys.argv[1])) if len(sys.argv) > 1 else STEPS
    chosen, failed = sys.argv[2:] or list(TARGETS), []
    for name in chosen:
        if name not in TARGETS:
            near = ", ".join(get_close_matches(name, TARGETS) or TARGETS)
            print(f"there is no target {name!r}: {near}", file=sys.stderr)
            return 2
    try:
        for name in chosen:
            try:
                print(f"{name:18} {fuzz(TARGETS[name], steps)}", flush=True)
            except Exception:
                failed.append(name)
                print(f"{name:18} FAILED\n{traceback.format_exc()}", flush=True)
    except KeyboardInterrupt:
        return 130
    print(f"{len(chosen) - len(failed)} of {len(chosen)} targets stood {steps:,} steps")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
