"""Compares the engine with this machine's CPU for as long as one likes.

    python -m tests.conformance [CASES] [--seed SEED] [--group NAME] [--qemu | --bochs] [--shrink N]

`--qemu` and `--bochs` compare with QEMU's user mode or Bochs' core, and this machine's CPU judges where they differ.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance import bochs, qemu
from tests.conformance.groups import Group, Kind, each, groups_here, guest, host
from tests.conformance.session import Compare, Tally, compare_batch
from tests.conformance.shrink import inputs, shrink
from tests.conformance.votes import Bench


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="?", type=float, metavar="CASES")
    parser.add_argument("--seed", type=int, default=1, help="of the first batches; each run goes on from there")
    parser.add_argument("--group", choices=[group.name for group in groups_here()], help="only this one")
    parser.add_argument("--shrink", type=int, default=1, metavar="N", help="so many of each batch's differences")
    others = parser.add_mutually_exclusive_group()
    others.add_argument("--qemu", action="store_const", const=qemu.of_kind, dest="other")
    others.add_argument("--bochs", action="store_const", const=bochs.of_kind, dest="other")
    arguments = parser.parse_args()
    groups = [group for group in groups_here() if arguments.group in (None, group.name)]
    tally = Tally()
    with TemporaryDirectory() as scratch, ExitStack() as stack:
        engines, hosts = (stack.enter_context(each(partial(make, Path(scratch)))) for make in (guest, host))

        def with_host(kind: Kind) -> Compare:
            return partial(compare_batch, oracle=hosts(kind), engine=engines(kind))

        def with_other(kind: Kind) -> Compare:
            return Bench(hosts(kind), other(kind), engines(kind)).vote

        if arguments.other is not None:
            other = stack.enter_context(each(partial(arguments.other, Path(scratch))))
        compare = with_host if arguments.other is None else with_other
        try:
            for seed in count(arguments.seed):
                for group in groups:
                    run(group, seed, compare(group.kind), tally, arguments.shrink)
                if arguments.cases is not None and tally.cases >= arguments.cases:
                    break
        except KeyboardInterrupt:
            pass
    report(tally)
    return 1 if tally.unexplained else 0


def run(group: Group, seed: int, compare: Compare, tally: Tally, shrunk: int) -> None:
    before = len(tally.unexplained)
    compare(group.name, seed, group.batch(seed), tally)
    for unexplained in tally.unexplained[before:][:shrunk]:
        small = shrink(unexplained, compare)
        print(f"{small}\n    from {inputs(small.case.before)}", flush=True)


def report(tally: Tally) -> None:
    print(f"{tally.cases:,} cases, {tally.agreed:,} alike, {len(tally.unexplained):,} unexplained")
    if tally.left_out:
        print(f"{tally.left_out:,} not run")
    for group, cases in tally.groups.items():
        print(f"{cases:12,}  {group}")
    print("known differences:")
    for reason, cases in tally.known.most_common():
        print(f"{cases:12,}  {reason}")


if __name__ == "__main__":
    sys.exit(main())
