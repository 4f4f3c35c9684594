"""What happened to a guest that ended, in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import assert_never

from vmdbg.debugger.cpu import Cpu
from vmdbg.debugger.describe import fault_chain
from vmdbg.debugger.fault_reasons import chain_words
from vmdbg.debugger.memory import GuestPhysicalMemory, linear_memory
from vmdbg.engine.exits import (
    BreakpointHit,
    Delivery,
    DeliveryKind,
    EventCaught,
    ExceptionDelivered,
    LimitReached,
    Stepped,
    StopRequested,
    Stuck,
    TripleFault,
    VoidFetch,
    WatchpointHit,
)
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import (
    DevicesCaught,
    HaltedForever,
    Outcome,
    PoweredOff,
    ResetRequested,
    TestExited,
    is_death,
)
from vmdbg.symbols.symbol_set import SymbolSet
from vmdbg.units import TICKS_PER_SECOND, Linear
from vmdbg.x86.disassembly import disassembler
from vmdbg.x86.exceptions import EXCEPTIONS, describe_error_code, vector_name
from vmdbg.x86.instruction import BAD, MAX_LENGTH, Instruction
from vmdbg.x86.mode import Width

SHOWN_EXCEPTIONS = 8
PAGE_FAULT = 14
_DELIBERATE = ("ud0", "ud1", "ud2", "ud2b")
_HIGHEST_SEGMENT_BASE = 0xFFFF0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line that says what happened, lines with details, and whether the guest died of it."""

    headline: str
    died: bool = False
    details: tuple[str, ...] = ()


def verdict(machine: Machine, outcome: Outcome, panic: str | None, symbols: SymbolSet) -> Verdict:
    """`panic`: what the kernel said when it panicked, if it did."""
    scene = _Scene(machine, symbols)
    when = f"at tick {machine.clock} ({machine.clock / TICKS_PER_SECOND:.6f} s)"
    match outcome:
        case PoweredOff():
            return Verdict(f"the guest powered off {when}")
        case ResetRequested():
            if panic is not None:
                return Verdict(f"the guest died: {panic}; it then reset the machine {when}", died=True)
            return Verdict(f"the guest reset the machine {when}, which ends the run")
        case TestExited(code):
            text = f"the guest left through the test-exit port with value {code >> 1} {when}"
            return Verdict(text, died=is_death(outcome))
        case HaltedForever():
            return _halted(scene, outcome, panic, when)
        case TripleFault():
            found = _death(scene, f"triple fault {when}")
            return replace(found, details=(*found.details, *scene.chain()))
        case VoidFetch(linear, physical):
            where = f"{linear:#x}" if int(linear) == int(physical) else f"{linear:#x} (physical {physical:#x})"
            return _death(scene, f"it went on to execute at {where}, where there is no memory, {when}", at_rip=False)
        case Stuck():
            return _death(scene, f"it takes one exception after another and never gets on, {when}")
        case (
            LimitReached()
            | Stepped()
            | BreakpointHit()
            | WatchpointHit()
            | ExceptionDelivered()
            | EventCaught()
            | DevicesCaught()
            | StopRequested()
        ):
            return Verdict(f"stopped {when}")
        case _:
            assert_never(outcome)


def _halted(scene: _Scene, outcome: HaltedForever, panic: str | None, when: str) -> Verdict:
    why = "with nothing left to wake it" if outcome.interrupts_enabled else "with interrupts off"
    said = f": {panic}" if panic is not None else ""
    text = f"halted forever at {scene.place(scene.halt_address())}, {why}, {when}{said}"
    return Verdict(text, died=True, details=tuple(scene.details(at_rip=False)))


def _death(scene: _Scene, what: str, at_rip: bool = True) -> Verdict:
    return Verdict(f"the guest died: {what}", died=True, details=tuple(scene.details(at_rip)))


class _Scene:
    """The machine where it stands."""

    def __init__(self, machine: Machine, symbols: SymbolSet) -> None:
        self._machine = machine
        self._symbols = symbols
        read = machine.engine.read_register
        self._register = read
        cpu = Cpu(machine)
        self._mode, self._ring, self._base = cpu.mode, cpu.ring, cpu.code_base
        memory = GuestPhysicalMemory(machine.engine, machine)
        self._memory = linear_memory(machine.engine, memory)

    def place(self, rip: int) -> str:
        shown = f"{self._register('cs'):04x}:{rip:#06x}" if not self._mode.is_protected else f"{rip:#x}"
        return self._named(shown, self._base + rip)

    def _named(self, shown: str, linear: int) -> str:
        name = self._symbols.describe(linear)
        return f"{shown} <{name}>" if name else shown

    def _struck_at(self, delivery: Delivery) -> str:
        """By segment where that is how the code then running was addressed."""
        base = (delivery.linear_pc - delivery.rip) & 0xFFFF_FFFF
        if delivery.width == Width.BITS16 and not base & 0xF and base <= _HIGHEST_SEGMENT_BASE:
            return self._named(f"{base >> 4:04x}:{delivery.rip:#06x}", delivery.linear_pc)
        return self._named(f"{delivery.rip:#x}", delivery.linear_pc)

    def halt_address(self) -> int:
        """HLT itself: rip is behind it."""
        return self._register("rip") - 1

    def details(self, at_rip: bool) -> Iterator[str]:
        rip = self._register("rip")
        yield f"rip {self.place(rip)}, {self._mode.value} mode, ring {self._ring}"
        if at_rip:
            found = self._instruction(rip)
            shown = "cannot be read" if found is None else f"{found.raw.hex(' ')}  {found}"
            yield f"instruction {shown}"
        names = ("rsp", "cr0", "cr2", "cr3", "cr4")
        yield "  ".join(f"{name} {self._register(name):#x}" for name in names)
        yield from self._exceptions()

    def chain(self) -> Iterator[str]:
        """What the faults that ended in a triple fault were about, the first first."""
        chain = fault_chain(self._machine.engine.deliveries())
        known = [(delivery, why) for delivery, why in chain_words(self._machine, chain) if why]
        if known:
            yield "it began and went on with:"
        yield from (f"  {vector_name(delivery.vector)}: {why}" for delivery, why in known)

    def _exceptions(self) -> Iterator[str]:
        exceptions = [d for d in self._machine.engine.deliveries() if d.kind is DeliveryKind.EXCEPTION]
        if not exceptions:
            return
        yield "last exceptions:"
        for delivery in exceptions[-SHOWN_EXCEPTIONS:]:
            yield f"  {self._exception(delivery)}"
        unknown = self._missing_instruction(exceptions[-SHOWN_EXCEPTIONS:])
        if unknown is not None:
            yield unknown

    def _exception(self, delivery: Delivery) -> str:
        info = EXCEPTIONS.get(delivery.vector)
        name = f"{vector_name(delivery.vector)} {info.name}" if info is not None else vector_name(delivery.vector)
        code = describe_error_code(delivery.vector, delivery.error_code) if info and info.has_error_code else ""
        cr2 = f", at linear {delivery.cr2:#x}" if delivery.vector == PAGE_FAULT else ""
        to = "" if delivery.handler else ", could not be delivered"
        return (
            f"tick {delivery.tick}  {name}{f' ({code})' if code else ''}{cr2}, rip {self._struck_at(delivery)}, "
            f"ring {delivery.cpl}{to}"
        )

    def _missing_instruction(self, exceptions: list[Delivery]) -> str | None:
        """An instruction that is none to this CPU, though it is to others."""
        for delivery in reversed(exceptions):
            if not delivery.code:
                continue
            found = disassembler(Width(delivery.width)).decode(delivery.code, delivery.rip)
            if found.mnemonic in _DELIBERATE:
                continue
            bad = found.mnemonic == BAD
            shown = delivery.code.hex(" ") if bad else f"`{found}` ({found.raw.hex(' ')})"
            return f"the CPU {self._machine.config.cpu} cannot run {shown} at {self._struck_at(delivery)}"
        return None

    def _instruction(self, rip: int) -> Instruction | None:
        code = self._memory.read_prefix(Linear(self._base + rip), MAX_LENGTH)
        return disassembler(self._mode.width).decode(code, rip, self._base) if code else None
