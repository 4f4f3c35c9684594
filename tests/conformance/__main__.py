"""Compares the engine with this machine's CPU for as long as one likes.

    python -m tests.conformance [CASES] [--seed SEED] [--qemu]

`--qemu` also runs each case by qemu-x86_64, and says where that alone differs.
"""

from __future__ import annotations

import argparse
import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.floats import GROUP as FLOATS
from tests.conformance.floats import float_batch
from tests.conformance.guest import GuestCpu
from tests.conformance.host import HostCpu
from tests.conformance.instructions import GROUPS, GROUPS_32, bits_of
from tests.conformance.qemu import QemuCpu, Votes, vote
from tests.conformance.session import Tally, batch, compare, compare_batch
from tests.conformance.vex import GROUP, MODEL, host_has_avx2, vex_batch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=float, metavar="CASES")
    parser.add_argument("--seed", type=int, default=1, help="of the first batches; each run goes on from there")
    parser.add_argument("--qemu", action="store_true")
    arguments = parser.parse_args()
    wanted = None if arguments.cases is None else int(arguments.cases)
    return with_qemu(wanted, arguments.seed) if arguments.qemu else with_host(wanted, arguments.seed)


def with_qemu(wanted: int | None, first: int) -> int:
    guest, votes = GuestCpu(), Votes()
    with TemporaryDirectory() as scratch, HostCpu(Path(scratch)) as host, QemuCpu(Path(scratch)) as qemu:
        try:
            for seed in count(first):
                for group in GROUPS:
                    vote(group, seed, batch(group, seed), host, qemu, guest, votes)
                if wanted is not None and votes.cases >= wanted:
                    break
        except KeyboardInterrupt:
            pass
    print(f"{votes.cases:,} cases, {votes.agreed:,} alike, {len(votes.unexplained):,} unexplained")
    print(*votes.unexplained[:10], sep="\n")
    print("QEMU alone differs:")
    for (kind, part), differences in votes.alone.most_common():
        print(f"{differences:12,}  {kind}: {part}")
    print("this machine's CPU differs, too, as is known:")
    for reason, differences in votes.known.most_common():
        print(f"{differences:12,}  {reason}")
    return 1 if votes.unexplained else 0


def with_host(wanted: int | None, first: int) -> int:
    tally = Tally()
    guests, vector_guest, has_avx2 = {64: GuestCpu(), 32: GuestCpu(bits=32)}, GuestCpu(MODEL), host_has_avx2()
    with (
        TemporaryDirectory() as scratch,
        HostCpu(Path(scratch)) as host,
        HostCpu(Path(scratch), bits=32) as host_32,
        HostCpu(Path(scratch), avx=has_avx2) as vector_host,
    ):
        try:
            for seed in count(first):
                if has_avx2:
                    before = len(tally.unexplained)
                    compare_batch(GROUP, seed, vex_batch(seed), vector_host, vector_guest, tally)
                    compare_batch(FLOATS, seed, float_batch(seed), vector_host, vector_guest, tally)
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
