"""Runs pickled batches of instructions, and prints a hash of each one's results.

python -m tests.packaging.run_batches FILE
"""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path

from tests.conformance.batch import Batch
from tests.conformance.guest import GuestCpu


def hashes(jobs: list[tuple[str, str, Batch]]) -> list[str]:
    """`jobs`: name, CPU model, batch."""
    guests, found = dict[tuple[str, int], GuestCpu](), list[str]()
    for name, model, batch in jobs:
        if (model, batch.bits) not in guests:
            guests[model, batch.bits] = GuestCpu(model, bits=batch.bits)
        states = guests[model, batch.bits].run(batch)
        found.append(f"{name} {hashlib.sha256(b''.join(state.raw for state in states)).hexdigest()}")
    return found


if __name__ == "__main__":
    print("\n".join(hashes(pickle.loads(Path(sys.argv[1]).read_bytes()))))
