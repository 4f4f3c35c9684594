"""Who runs, and who wakes whom (kernel/sched/core.c)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vmdbg.engine.exits import BreakpointHit
from vmdbg.engine.stops import Breakpoints, Stops
from vmdbg.machine.outcome import Outcome
from vmdbg.os.linux.tasks import letter_of
from vmdbg.os.seam import CurrentTask
from vmdbg.queries.linux.kernel_calls import KernelCallScan
from vmdbg.queries.linux.known import EVERYBODY, KnownLinux, Who
from vmdbg.queries.linux.scan import LinuxScan
from vmdbg.queries.rows import SwitchRow, WakeRow
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Linear

SWITCH = "__switch_to_asm"
WAKE, WAKE_NEW = "try_to_wake_up", "wake_up_new_task"


@dataclass(frozen=True, slots=True)
class SwitchQuery:
    """Switches from and to somebody. They happen with the registers of the kernel's `__switch_to_asm(prev, next)`.

    Who has a CPU loses it there; each CPU has an idle task with the number 0.
    """

    known: KnownLinux
    who: Who = EVERYBODY

    def begin(self, timeline: Timeline) -> SwitchScan:
        return SwitchScan(timeline, self)

    def join(self, parts: Sequence[Sequence[SwitchRow]]) -> list[SwitchRow]:
        """How long somebody had the processor is known once the switch before is, which may be in another part."""
        since: dict[tuple[int, int], int] = {}
        rows = []
        for row in (row for part in parts for row in part):
            begun = since.pop((row.cpu, row.pid), None)
            since[row.cpu, row.next_pid] = row.position.tick
            rows.append(row if begun is None else replace(row, ticks=row.position.tick - begun))
        if self.who == EVERYBODY:
            return rows
        return [row for row in rows if self._is_of(row.pid, row.task) or self._is_of(row.next_pid, row.next_task)]

    def _is_of(self, pid: int, name: str) -> bool:
        return self.who.matches(CurrentTask(Linear(0), pid, pid, name))


class SwitchScan(LinuxScan):
    def __init__(self, timeline: Timeline, query: SwitchQuery) -> None:
        super().__init__(timeline, query.known)
        self._stops = Stops(Breakpoints(linear=(query.known.function(SWITCH),)))

    @property
    def stops(self) -> Stops:
        return self._stops

    def take(self, outcome: Outcome) -> None:
        if isinstance(outcome, BreakpointHit):
            before, after = self.engine.read_registers(("rdi", "rsi"))
            old, new = self.task_at(before), self.task_at(after)
            state = self._state(before)
            names = old.name, old.pid, state, new.name, new.pid
            self.add(SwitchRow(self.timeline.position, *names, None, self.cpu))

    def _state(self, task: int) -> str:
        """Why it lost the processor: a task that waits is on no run queue, or is to leave it (since 6.12)."""
        layout = self.known.layout
        stays = self.of_task(task, layout.on_rq)
        if layout.delayed is not None and self.of_task(task, layout.delayed):
            stays = 0
        return "R" if stays else letter_of(self.of_task(task, layout.state), self.of_task(task, layout.exit_state))


@dataclass(frozen=True, slots=True)
class WakeQuery:
    """Wake-ups that woke somebody, by who was running and whom."""

    known: KnownLinux
    who: Who = EVERYBODY

    def begin(self, timeline: Timeline) -> WakeScan:
        return WakeScan(timeline, self)


class WakeScan(KernelCallScan):
    def __init__(self, timeline: Timeline, query: WakeQuery) -> None:
        super().__init__(timeline, query.known, query, (WAKE, WAKE_NEW))
        self._who = query.who
        self._new = query.known.function(WAKE_NEW)
        self._useless: set[int] = set()

    def called(self, function: str, caller: Linear, registers: dict[str, int]) -> int | None:
        task, woken = self.current(), self.task_at(registers["rdi"])
        if not self._who.matches(task) and not self._who.matches(woken):
            return None
        is_new = function == WAKE_NEW
        names = task.name, task.pid, woken.name, woken.pid
        return self.add(WakeRow(self.timeline.position, *names, is_new, caller, self.cpu))

    def returned(self, index: int, function: str, value: int, registers: dict[str, int]) -> None:
        del registers
        if function == WAKE and not value & 0xFFFF_FFFF:
            self._useless.add(index)

    def rows_of(self, index: int) -> Sequence[WakeRow]:
        return () if index in self._useless else (self.rows[index],)
