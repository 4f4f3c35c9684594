"""Compares privileged and system instructions of all modes with qemu-system-x86_64 for as long as one likes.

python -m tests.conformance.system [CASES] [--seed SEED] [--mode MODE] [--shrink N] [--bochs]
"""

from __future__ import annotations

import argparse
import sys
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance.system.bochs import BochsSystem, explain_bochs
from tests.conformance.system.cpus import EngineCpu, QemuSystem
from tests.conformance.system.follow import Follower
from tests.conformance.system.known import explain
from tests.conformance.system.session import Tally, batch, compare, shrink
from tests.conformance.system.world import Mode

BATCH = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=float, metavar="CASES")
    parser.add_argument("--seed", type=int, default=1, help="of the first batches; each run goes on from there")
    parser.add_argument("--mode", choices=[mode.name.lower() for mode in Mode], help="only this one")
    parser.add_argument("--shrink", type=int, default=1, metavar="N", help="so many of each batch's differences")
    parser.add_argument("--bochs", action="store_true", help="compare with Bochs' core, not with QEMU")
    arguments = parser.parse_args()
    modes = [mode for mode in Mode if arguments.mode in (None, mode.name.lower())]
    tally, engine = Tally(), EngineCpu()
    follow = Follower(engine)
    with TemporaryDirectory() as scratch:
        oracle = BochsSystem(Path(scratch)) if arguments.bochs else QemuSystem(Path(scratch))
        reasons = explain_bochs if arguments.bochs else explain
        try:
            for seed in count(arguments.seed):
                for mode in modes:
                    before = len(tally.unexplained)
                    compare(batch(mode, seed, BATCH), oracle, engine, follow, tally, reasons)
                    for unexplained in tally.unexplained[before:][: arguments.shrink]:
                        print(shrink(unexplained, oracle, engine, follow, reasons), flush=True)
                if arguments.cases is not None and tally.cases >= arguments.cases:
                    break
        except KeyboardInterrupt:
            pass
    engine.close()
    report(tally)
    return 1 if tally.unexplained else 0


def report(tally: Tally) -> None:
    print(f"{tally.cases:,} cases, {len(tally.unexplained):,} unexplained")
    for mode, cases in tally.modes.items():
        print(f"{cases:12,}  {mode}")
    print("instructions in them:")
    for name, times in tally.instructions.most_common():
        print(f"{times:12,}  {name}")
    print("known differences:")
    for reason, cases in tally.known.most_common():
        print(f"{cases:12,}  {reason}")


if __name__ == "__main__":
    sys.exit(main())
