"""A device for tests: copies memory by DMA, some time after it was told to, and interrupts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from devices.fitting import Fitting, Slot
from devices.seam import BusMaster, Line, Rows, Timer

SOURCE, TARGET, LENGTH, COMMAND = 0, 4, 8, 12
LONGEST = 0x10000
DONE = "copied"


@dataclass(frozen=True, slots=True)
class CopierOptions:
    """`latency`: nanoseconds from the command to the copy."""

    port: int = 0x2B0
    irq: int = 5
    latency: int = 20_000


@dataclass(slots=True)
class CopierState:
    registers: tuple[int, int, int] = (0, 0, 0)
    busy: bool = False


class Copier:
    """Dwords SOURCE, TARGET, LENGTH; any write to COMMAND begins, reading it tells whether that is under way."""

    title = "copier"
    State: ClassVar[type[CopierState]] = CopierState

    def __init__(self, name: str, irq: Line, timer: Timer, memory: BusMaster, latency: int) -> None:
        self.name = name
        self._irq = irq
        self._timer = timer
        self._memory = memory
        self._latency = latency
        self._state = CopierState()

    def read(self, offset: int, size: int, now: int) -> int:
        if offset == COMMAND:
            self._irq.set(False)
            return self._state.busy
        registers = b"".join(register.to_bytes(4, "little") for register in self._state.registers)
        return int.from_bytes(registers[offset : offset + size].ljust(size, b"\0"), "little")

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        if self._state.busy:
            return
        if offset == COMMAND:
            self._state.busy = True
            self._timer.schedule(DONE, now + self._latency)
        elif offset < COMMAND and size == 4 and offset % 4 == 0:
            registers = list(self._state.registers)
            registers[offset // 4] = value
            self._state.registers = (registers[0], registers[1], registers[2])

    def on_event(self, name: str, now: int) -> None:
        source, target, length = self._state.registers
        length = min(length, LONGEST)
        request = f"copy of {length} bytes"
        self._memory.write(target, self._memory.read(source, length, request), request)
        self._state.busy = False
        self._irq.set(True)

    def save(self) -> CopierState:
        return replace(self._state)

    def restore(self, state: CopierState) -> None:
        self._state = replace(state)

    def describe(self, now: int) -> Rows:
        source, target, length = self._state.registers
        return [("from", f"{source:#x}"), ("to", f"{target:#x}"), ("bytes", f"{length:#x}")]


def fit(slot: Slot, options: CopierOptions) -> Copier:
    copier = Copier(slot.name, slot.irq(options.irq), slot.timer(), slot.bus_master(), options.latency)
    slot.claim_ports(range(options.port, options.port + 16), copier, wide=True)
    return copier


FITTING = Fitting("copier", Copier.title, CopierOptions, fit)
