"""The native part's CPUs seen from Python."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.engine.native import _native
from vmdbg.engine.processor import Awaited, TurnState
from vmdbg.units import CpuId

lib = _native.lib
MOST_CPUS: int = lib.MOST_CPUS


class NativeCpu:
    """engine.processor.CpuControl."""

    def __init__(self, vm: _native.Vm, number: CpuId) -> None:
        self._vm = vm
        self._cpu = vm.cpus[number]
        self._number = number

    @property
    def halted(self) -> bool:
        return bool(self._cpu.halted)

    @halted.setter
    def halted(self, halted: bool) -> None:
        self._cpu.halted = halted

    @property
    def waits_for_sipi(self) -> bool:
        return bool(self._cpu.waits_for_sipi)

    @waits_for_sipi.setter
    def waits_for_sipi(self, waits: bool) -> None:
        self._cpu.waits_for_sipi = waits

    def set_interrupt(self, level: bool) -> None:
        self._cpu.intr = level
        if level:
            lib.clock_attend(self._vm)

    @property
    def interrupt(self) -> bool:
        return bool(self._cpu.intr)

    def raise_nmi(self) -> None:
        self._cpu.nmi = 1
        lib.clock_attend(self._vm)

    def ignore_x87_errors(self) -> None:
        lib.vm_ignore_x87_errors(self._vm, self._number)

    def drop_nmi(self) -> None:
        self._cpu.nmi = 0

    @property
    def nmi_pending(self) -> bool:
        return bool(self._cpu.nmi)

    @property
    def can_run(self) -> bool:
        return bool(lib.vm_can_run(self._vm, self._number))


class NativeTurns:
    """engine.processor.Processors."""

    _vm: _native.Vm
    cpus: Sequence[NativeCpu]

    @property
    def selected(self) -> CpuId:
        return self._vm.cpu.index

    def select(self, cpu: CpuId) -> None:
        if not 0 <= cpu < len(self.cpus):
            raise ValueError(f"there is no CPU {cpu}")
        lib.vm_select(self._vm, cpu)

    @property
    def turn(self) -> TurnState:
        turn = self._vm.turn
        return TurnState(CpuId(turn.cpu), int(turn.end), bool(turn.over), bool(turn.exact))

    def set_turn(self, turn: TurnState) -> None:
        native = self._vm.turn
        native.cpu, native.end, native.over, native.exact = turn.cpu, turn.end, turn.over, turn.exact

    def begin_turn(self, cpu: CpuId, quantum: int, *, exact: bool) -> None:
        lib.turn_begin(self._vm, cpu, quantum, exact)

    def end_turn(self) -> None:
        self._vm.turn.over = 1

    @property
    def turn_over(self) -> bool:
        return bool(self._vm.turn.over)

    def next_turn(self) -> bool:
        return bool(lib.turn_next(self._vm))

    def set_round_robin(self, quantum: int) -> None:
        self._vm.turn.quantum = quantum

    def await_turn(self, awaited: CpuId | Awaited) -> None:
        match awaited:
            case Awaited.NONE:
                self._vm.turn.awaited = lib.NO_CPU
            case Awaited.ANY:
                self._vm.turn.awaited = lib.ANY_CPU
            case _:
                self._vm.turn.awaited = awaited

    @property
    def turns_begun(self) -> int:
        return int(self._vm.turn.taken)
