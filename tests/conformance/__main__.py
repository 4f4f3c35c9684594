"""Compares the engine with this machine's CPU for as long as one likes: `python -m tests.conformance [CASES]`."""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.instructions import GROUPS, GROUPS_32, bits_of
from tests.conformance.session import Tally, compare, compare_batch
from tests.conformance.vex import GROUP, MODEL, host_has_avx2, vex_batch


def main() -> int:
    wanted, tally = int(float(sys.argv[1])) if len(sys.argv) > 1 else None, Tally()
    guests, vector_guest, has_avx2 = {64: GuestCpu(), 32: GuestCpu(bits=32)}, GuestCpu(MODEL), host_has_avx2()
    with (
        TemporaryDirectory() as scratch,
        HostCpu(Path(scratch)) as host,
        HostCpu(Path(scratch), bits=32) as host_32,
        HostCpu(Path(scratch), avx=has_avx2) as vector_host,
    ):
        try:
            for seed in count(1):
                if has_avx2:
                    before = len(tally.unexplained)
                    compare_batch(GROUP, seed, vex_batch(seed), vector_host, vector_guest, tally)
                    for unexplained in tally.unexplained[before:][:3]:
                        print(unexplained, flush=True)
                for group in (*GROUPS, *GROUPS_32):
                    before, bits = len(tally.unexplained), bits_of(group)
                    compare(group, seed, host if bits == 64 else host_32, guests[bits], tally)
                    for unexplained in tally.unexplained[before:][:3]:
                        print(unexplained, flush=True)
                if wanted is not None and tally.cases >= wanted:
                    break
        except KeyboardInterrupt:
            pass
    print(f"{tally.cases:,} cases, {len(tally.unexplained):,} unexplained")
    for group, cases in tally.groups.items():
        print(f"{cases:12,}  {group}")
    print("known differences:")
    for reason, cases in tally.known.most_common():
        print(f"{cases:12,}  {reason}")
    return 1 if tally.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
