"""Bochs' core as another oracle of what rings, tables and modes do, where its bindings are installed.

It has no ports, and ends at an instruction that uses one.
"""

from __future__ import annotations

import mmap
import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tests.conformance.bochs import BochsProcess
from tests.conformance.system.case import Case
from tests.conformance.system.cpus import at_reset, cases_done, hung, image, monitor, results, write
from tests.conformance.system.layout import HANGS, MONITOR, MONITOR_COPY, RAM, Result
from tests.conformance.system.session import Follow
from tests.conformance.system.world import Mode

WITHOUT_END = 2.0
"""Seconds without a case that ends."""
POLL = 0.02
INVALID_OPCODE, WRITE = 6, 2


class BochsSystem:
    """A triple fault ends it, and it begins again at the monitor; RAM stays."""

    def __init__(self, scratch: Path) -> None:
        self._bochs = BochsProcess(scratch / "bochs-system", RAM)

    def run(self, cases: Sequence[Case]) -> list[Result]:
        memory, count, done = self._bochs.ram, len(cases), 0
        self._write(image(cases))
        while done < count:
            process, before = self._bochs.begin(at_reset()), done
            crashed = self._wait(process, memory, count)
            done = cases_done(memory, done, count)
            if done < count and (crashed or done == before):
                self._write(hung(done, count))
                done += 1
        return results(memory, count)

    def _wait(self, process: int, memory: mmap.mmap, count: int) -> bool:
        """Whether it ended otherwise than by halting, or by hand."""
        done, deadline = 0, time.monotonic() + WITHOUT_END
        while not self._bochs.is_done(POLL):
            before, done = done, cases_done(memory, done, count)
            if done > before:
                deadline = time.monotonic() + WITHOUT_END
            elif time.monotonic() > deadline:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                deadline += WITHOUT_END
        return self._bochs.wait() != 0

    def _write(self, memory: dict[int, bytes]) -> None:
        own = {at: monitor(ports=False) for at in (MONITOR, MONITOR_COPY) if at in memory}
        write(self._bochs.ram, memory | own)

    def close(self) -> None:
        self._bochs.close()


def explain_bochs(
    case: Case, expected: Result, found: Result, apart: dict[str, tuple[int | None, int | None]], _: Follow
) -> str | None:
    """What is known of Bochs' core. The rest has not been judged yet."""
    if expected.vector == HANGS:
        return "Bochs does not go on: a port, or nothing where it looks for memory"
    if case.mode == Mode.VIRTUAL and not set(apart) - {"fs_base", "gs_base"}:
        return "bases of FS and GS when virtual-8086 mode is left"
    if all(_is_write_alone(name, a, b) for name, (a, b) in apart.items()) and _has(case, "arpl"):
        return "ARPL looks whether it may write first (SDM 2A ARPL)"
    if set(apart) == {"cr2"} and _has(case, "lds", "les", "lfs", "lgs", "lss"):
        return "which word of a far pointer is read first"
    if expected.vector == INVALID_OPCODE != found.vector and _has(case, "syscall", "sysret"):
        return "SYSCALL and SYSRET outside of 64-bit mode, which AMD has"
    return None


def _has(case: Case, *names: str) -> bool:
    return any(instruction.name in names for instruction in case.instructions)


def _is_write_alone(name: str, expected: int | None, found: int | None) -> bool:
    return name == "error code" and expected is not None and found is not None and expected ^ found == WRITE
