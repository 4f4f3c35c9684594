"""The machine around the CPU: what happens at a boundary and in which order, on an engine without a CPU."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from devices.board import isa
from devices.board.acpi_pm import PM_PORTS, PowerButton
from devices.board.test_exit import TEST_EXIT_PORT
from devices.pci.piix4_pm import PMBA, PMREGMISC
from devices.serial.feed import SerialInput
from tests.vmdbg.machine.fake_engine import Die, FakeEngine, Halt, In, Instruction, Interrupts, Jump, Nop, Out
from vmdbg.engine.exits import BreakpointHit, LimitReached, Stepped, StopRequested, TripleFault
from vmdbg.engine.stops import Breakpoints
from vmdbg.errors import RecordingError, UserError
from vmdbg.machine.config import MINIMUM_MEMORY, Chipset, MachineConfig
from vmdbg.machine.cpu_lines import LATENCY
from vmdbg.machine.inputs import MemoryWrite, NmiButton, PortWrite, RegisterWrite
from vmdbg.machine.machine import Machine
from vmdbg.machine.outcome import HaltedForever, PoweredOff, ResetRequested, TestExited
from vmdbg.machine.snapshot import Position
from vmdbg.units import Linear, Physical, Tick

FOREVER = [Nop(), Jump(0)]
DEBUG_CONSOLE, RESET_CONTROL, PORT92 = 0xE9, 0xCF9, 0x92
MASTER_COMMAND, MASTER_MASK = 0x20, 0x21
PIT_CONTROL, PIT_COUNTER_0 = 0x43, 0x40
INITIALISE_PIC = [Out(MASTER_COMMAND, 0x11), *(Out(MASTER_MASK, icw) for icw in (0x20, 0x04, 0x01, 0xFE))]
"""Vectors from 20h, only IRQ 0 unmasked."""
ONE_SHOT = [Out(PIT_CONTROL, 0x30), Out(PIT_COUNTER_0, 0x10), Out(PIT_COUNTER_0, 0x00)]
"""IRQ 0 after 17 of the 8254's clocks, which are 838 ns each."""


def machine(*program: Instruction, apic: bool = False) -> Machine:
    return Machine(MachineConfig(memory=MINIMUM_MEMORY, apic=apic), FakeEngine.of(*program))


def printed(made: Machine) -> list[tuple[bytes, int]]:
    """What the guest writes to the debug console, and when."""
    seen: list[tuple[bytes, int]] = []
    made.debug_console.listeners.append(lambda _port, data, now: seen.append((data, now)))
    return seen


def struck(made: Machine) -> Sequence[tuple[int, int]]:
    return [(one.vector, one.tick) for one in made.engine.deliveries()]


def test_a_run_ends_at_the_first_boundary_from_its_limit_on() -> None:
    made = machine(Nop(3), Nop(3), Jump(0))
    assert made.run(Tick(4)) == LimitReached()
    assert made.clock == 6
    assert made.run(Tick(6)) == LimitReached(), "there already"
    assert made.clock == 6


def test_an_access_is_told_the_tick_of_its_instruction() -> None:
    made = machine(Nop(5), Out(DEBUG_CONSOLE, ord("a")), *FOREVER)
    seen = printed(made)
    made.run(Tick(50))
    assert seen[0] == (b"a", 5)


def test_a_breakpoint_ends_the_run_before_its_instruction_and_is_passed_when_asked() -> None:
    made = machine(Nop(), Nop(), Nop(), Jump(0))
    made.engine.set_breakpoints(Breakpoints(linear=(Linear(2),)))
    assert made.run(Tick(1000)) == BreakpointHit()
    assert made.clock == 2
    assert made.run(Tick(4), over_breakpoint=True) == LimitReached()


def test_an_interrupt_raised_by_an_access_is_seen_a_fixed_time_later() -> None:
    made = machine(*INITIALISE_PIC, *ONE_SHOT, Interrupts(True), Nop(), Jump(len(INITIALISE_PIC) + len(ONE_SHOT) + 1))
    vectors: list[tuple[int, int]] = []
    made.bus.on_interrupt = lambda vector, now: vectors.append((vector, now))
    made.run(Tick(40_000))
    (vector, when) = vectors[0]
    written = 2 * (len(INITIALISE_PIC) + len(ONE_SHOT)) - 2
    assert vector == 0x20
    assert written + 16 * 838 <= when <= written + 18 * 838 + LATENCY
    assert struck(made) == vectors


def test_a_masked_interrupt_waits_for_sti() -> None:
    made = machine(*INITIALISE_PIC, *ONE_SHOT, Nop(30_000), Nop(30_000), Interrupts(True), Nop(), Jump(12))
    made.run(Tick(70_000))
    assert struck(made) == [(0x20, 60_000 + 2 * 8 + 1)]


def test_a_halted_cpu_waits_for_the_next_deadline_in_no_time_at_all() -> None:
    made = machine(*INITIALISE_PIC, *ONE_SHOT, Interrupts(True), Halt(), Out(DEBUG_CONSOLE, ord("!")), *FOREVER)
    seen = printed(made)
    made.run(Tick(100_000))
    assert seen[0][0] == b"!"
    assert seen[0][1] > 13_000


def test_a_halt_with_interrupts_off_ends_all() -> None:
    made = machine(Nop(), Halt())
    assert made.run(Tick(1000)) == HaltedForever(interrupts_enabled=False)
    assert made.clock == 2
    assert made.cpus.halt_tick == 2


def test_a_halt_with_interrupts_on_and_nothing_to_come_is_said_so() -> None:
    made = machine(Interrupts(True), Halt())
    assert made.run(Tick(1000)) == HaltedForever(interrupts_enabled=True)


def test_an_nmi_wakes_a_halted_cpu_that_has_interrupts_off() -> None:
    made = machine(Halt(), *FOREVER)
    made.push(NmiButton())
    made.run(Tick(100))
    assert struck(made) == [(2, 0)], "the input comes at the tick it was pushed at, before the instruction"


def test_inputs_come_at_the_boundary_in_the_order_in_which_they_were_pushed() -> None:
    made = machine(*FOREVER)
    made.run(Tick(10))
    made.push(RegisterWrite("rax", 1))
    made.push(MemoryWrite(Physical(0x1000), b"\x01\x02"))
    made.push(PortWrite(DEBUG_CONSOLE, 1, ord("x")))
    seen = printed(made)
    first = made.position
    for _ in range(3):
        assert made.step() == Stepped()
    assert made.position == Position(first.tick, 3)
    assert made.engine.read_register("rax") == 1
    assert bytes(made.engine.ram[0x1000:0x1002]) == b"\x01\x02"
    assert seen == [(b"x", first.tick)]
    made.step()
    assert made.position.tick > first.tick
    assert made.position.phase == 0


def test_deliveries_count_in_the_position() -> None:
    made = machine(*FOREVER)
    made.push(NmiButton())
    made.step()
    assert made.position == Position(Tick(0), 1), "the button"
    made.step()
    assert made.position == Position(Tick(0), 2), "and the NMI"
    made.step()
    assert made.position == Position(Tick(1), 0)


def test_what_a_device_takes_reaches_it_and_what_none_takes_is_refused() -> None:
    made = machine(*FOREVER)
    made.push(PowerButton())
    made.push(SerialInput(0, b"hello"))
    made.run(Tick(10))
    assert made.bus.port_read(PM_PORTS.start, 2, 10) & 0x100
    assert made.bus.port_read(0x3FD, 1, 10) & 1, "data ready in COM1"

    class Knock:
        device = "door"

    with pytest.raises(UserError, match="no 'door' that takes Knock"):
        made.push(Knock())


@pytest.mark.parametrize(
    ("program", "outcome"),
    [
        ([Out(TEST_EXIT_PORT, 3, width=4), *FOREVER], TestExited(7)),
        ([Out(RESET_CONTROL, 0x02), Out(RESET_CONTROL, 0x06), *FOREVER], ResetRequested()),
        ([Out(PORT92, 0x01), *FOREVER], ResetRequested()),
        ([Out(PM_PORTS.start + 4, 0x2000, width=2), *FOREVER], PoweredOff()),
        ([Nop(), Die()], TripleFault()),
    ],
)
def test_every_ending_is_for_good(program: list[Instruction], outcome: object) -> None:
    made = machine(*program)
    assert made.run(Tick(1000)) == outcome
    assert made.ending == outcome
    at = made.position
    assert made.run(Tick(2000)) == outcome
    assert made.step() == outcome
    assert made.position == at


def test_a_run_goes_no_further_than_it_was_told_to() -> None:
    made = machine(*FOREVER)
    made.stop_by(Tick(50))
    assert made.run(Tick(1000)) == StopRequested()
    assert 50 <= made.clock <= 51
    made.stop_by(Tick(500))
    made.lift_stop(Tick(50))
    assert made.run(Tick(1000)) == StopRequested()
    assert 500 <= made.clock <= 501
    made.lift_stop(Tick(500))
    assert made.run(Tick(1000)) == LimitReached()


def test_a_deadline_set_by_an_access_ends_the_run_that_is_going_on() -> None:
    """Without that it would be seen at the run's limit."""
    again = len(ONE_SHOT)
    made = machine(*INITIALISE_PIC, *ONE_SHOT, Interrupts(True), Nop(), Jump(len(INITIALISE_PIC) + again + 1))
    sliced = machine(*INITIALISE_PIC, *ONE_SHOT, Interrupts(True), Nop(), Jump(len(INITIALISE_PIC) + again + 1))
    made.run(Tick(1_000_000))
    for tick in range(100, 1_000_100, 100):
        sliced.run(Tick(min(tick, 1_000_000)))
    assert struck(made) == struck(sliced) != []


def test_a_restored_machine_goes_on_as_the_saved_one() -> None:
    program = [*INITIALISE_PIC, *ONE_SHOT, Interrupts(True), In(0x40), Halt(), *FOREVER]
    made, other = machine(*program), machine(*program)
    made.run(Tick(12))
    made.push(SerialInput(0, b"abc"))
    made.step()
    saved = made.save()
    other.restore(saved)
    assert other.position == made.position
    assert other.save() == saved
    for each in (made, other):
        each.run(Tick(200_000))
    assert other.save() == made.save()


def test_a_state_of_another_machine_is_refused() -> None:
    with pytest.raises(RecordingError, match="other devices"):
        machine(*FOREVER).restore(machine(*FOREVER, apic=True).save())


def test_the_local_apic_s_timer_comes_without_the_engine_s_help() -> None:
    made = machine(Interrupts(True), Nop(), Jump(1), apic=True)
    lapic = made.pc.lapic
    assert lapic is not None
    for register, value in ((0xF0, 0x1FF), (0x3E0, 0xB), (0x320, 0x31), (0x380, 5_000)):
        lapic.write(register, 4, value, 0)
    made.run(Tick(20_000))
    assert struck(made)[0][0] == 0x31
    assert 5_000 <= struck(made)[0][1] <= 5_000 + LATENCY


def test_closing_the_machine_closes_the_engine() -> None:
    made = machine(*FOREVER)
    made.close()
    assert made.engine.closed  # type: ignore[attr-defined]  # a FakeEngine


def test_the_engine_is_told_where_the_guest_has_the_pm_timer() -> None:
    made = Machine(MachineConfig(memory=MINIMUM_MEMORY, chipset=Chipset.I440FX), FakeEngine.of(*FOREVER))
    ports, shared = made.pc.ports, made.pc.acpi_pm.shared

    def configure(register: int, value: int) -> None:
        ports.write(0xCF8, 4, 0x8000_0B00 | register, 0)
        ports.write(0xCFC, 4, value, 0)

    assert shared.port == 0, "before firmware has put it anywhere"
    configure(PMBA, 0x600)
    configure(PMREGMISC, 1)
    assert shared.port == 0x608
    moved = made.save()
    configure(PMBA, isa.DMA.ports[2].start)
    assert shared.port == 0, "a DMA controller is in front of it"
    made.restore(moved)
    assert shared.port == 0x608
    configure(PMREGMISC, 0)
    assert shared.port == 0
