"""Breakpoints, watchpoints and catches where they meet deliveries, each other and the guest's own."""

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import (
    Access,
    BreakpointHit,
    DeliveryKind,
    EventCaught,
    EventKind,
    ExceptionDelivered,
    Halted,
    StopRequested,
    WatchpointHit,
)
from vmdbg.engine.stops import Breakpoints, Catches, Watchpoint
from vmdbg.engine.unicorn.bare import CODE, CODE64, DATA, HANDLERS, IDT, STACK, BareCpu
from vmdbg.units import Linear, Physical, Tick

WRITES = frozenset((Access.WRITE,))
READS = frozenset((Access.READ,))
RETURN = HANDLERS + 0x800


def _cpu(source: str) -> BareCpu:
    """Its vectors 2, 3 and 8 lead to an IRET."""
    cpu = BareCpu()
    cpu.write(RETURN, assemble("iretq"))
    for vector in (2, 3, 8):
        cpu.write(IDT + 16 * vector, (RETURN | CODE64 << 16 | 0x8E00 << 32).to_bytes(8, "little"))
    cpu.load(assemble(source, origin=CODE) + b"\xf4")
    return cpu


def _run(cpu: BareCpu) -> object:
    return cpu.engine.run(Tick(cpu.engine.clock + 10_000), over_breakpoint=True)


def test_a_physical_breakpoint_that_was_taken_away_stops_nothing() -> None:
    cpu = _cpu("nop\nnop\nnop")
    cpu.engine.set_breakpoints(Breakpoints((), (Physical(CODE + 1),)))
    assert _run(cpu) == BreakpointHit()
    assert cpu["rip"] == CODE + 1
    cpu.engine.set_breakpoints(Breakpoints())
    cpu.engine.write_register("rip", CODE)
    assert _run(cpu) == Halted()


def test_a_watched_stack_does_not_lose_the_interrupt_that_writes_to_it() -> None:
    cpu = _cpu("sti\nnop\nnop\nnop")
    acknowledged = []

    def acknowledge(now: int) -> int:
        acknowledged.append(now)
        cpu.engine.cpus[0].set_interrupt(False)
        return 8

    cpu.engine.acknowledge = acknowledge
    cpu.engine.set_watchpoints([Watchpoint(7, STACK - 8, 8, WRITES)])
    cpu.engine.cpus[0].set_interrupt(True)
    ended = _run(cpu)
    assert isinstance(ended, WatchpointHit)
    assert [(hit.number, hit.linear, hit.size) for hit in ended.hits] == [(7, STACK - 8, 8)]
    assert cpu["rip"] == RETURN
    assert acknowledged == [2]
    (delivery,) = cpu.engine.deliveries()
    assert delivery.kind is DeliveryKind.EXTERNAL
    assert _run(cpu) == Halted()


def test_a_watched_stack_does_not_lose_an_int3() -> None:
    cpu = _cpu("int3\nnop")
    cpu.engine.set_watchpoints([Watchpoint(1, STACK - 16, 8, WRITES)])
    assert isinstance(_run(cpu), WatchpointHit)
    assert cpu["rip"] == RETURN
    assert cpu.read(STACK - 40, 8) == CODE + 1
    assert _run(cpu) == Halted()
    assert cpu.engine.delivery_count == 1


def test_a_read_is_no_write_and_the_old_value_is_what_was_there() -> None:
    cpu = _cpu(f"mov eax, [{DATA}]\nmov dword [{DATA}], 5\nmov dword [{DATA}], 6")
    cpu.engine.set_watchpoints([Watchpoint(1, DATA, 4, WRITES)])
    olds = []
    while isinstance(ended := _run(cpu), WatchpointHit):
        olds.append((ended.hits[0].old, cpu.read(DATA, 4), cpu["rip"] - CODE))
    assert ended == Halted()
    assert olds == [(bytes(4), 5, 18), (b"\x05\0\0\0", 6, 29)]


def test_a_faulting_instruction_hits_no_watchpoint() -> None:
    cpu = _cpu(f"mov esi, {DATA}\nmov edi, 0xdead0\nmovsd")
    cpu.engine.set_watchpoints([Watchpoint(1, DATA, 4, READS)])
    assert _run(cpu) == Halted()
    assert cpu.engine.deliveries()[-1].vector == 14


def test_a_breakpoint_and_the_guest_s_own_at_one_place() -> None:
    cpu = _cpu("nop\nnop\nnop")
    cpu.engine.write_registers({"dr0": CODE + 1, "dr7": 0x401})
    cpu.engine.set_breakpoints(Breakpoints((Linear(CODE + 1),)))
    assert _run(cpu) == BreakpointHit()
    assert cpu.engine.delivery_count == 0
    assert _run(cpu) == Halted()
    (trap,) = cpu.engine.deliveries()
    assert (trap.vector, trap.rip) == (1, CODE + 1)


def test_a_caught_vector_stops_at_the_handler() -> None:
    cpu = _cpu("int3\nnop")
    cpu.engine.set_catches(Catches(vectors=frozenset((3,))))
    ended = _run(cpu)
    assert isinstance(ended, ExceptionDelivered)
    assert (ended.delivery.vector, cpu["rip"]) == (3, RETURN)
    assert _run(cpu) == Halted()


def test_a_caught_nmi_stops_at_the_handler_and_an_exception_of_its_vector_does_not() -> None:
    cpu = _cpu("int 2\nnop\nnop")
    cpu.engine.set_catches(Catches(interrupts=frozenset((2,))))
    cpu.engine.cpus[0].raise_nmi()
    ended = _run(cpu)
    assert isinstance(ended, ExceptionDelivered)
    assert (ended.delivery.kind, cpu["rip"]) == (DeliveryKind.NMI, RETURN)
    assert _run(cpu) == Halted()
    assert [delivery.kind for delivery in cpu.engine.deliveries()] == [DeliveryKind.NMI, DeliveryKind.SOFTWARE]


def test_a_caught_port_access_has_not_happened_yet_and_then_happens_once() -> None:
    cpu = _cpu("mov al, 7\nout 0x42, al")
    cpu.engine.set_catches(Catches(events=frozenset((EventKind.PORT_WRITE,)), ports=frozenset((0x42,))))
    assert _run(cpu) == EventCaught(EventKind.PORT_WRITE, 0x42, 7)
    assert cpu.bus.log == []
    assert _run(cpu) == Halted()
    assert [(a.kind, a.address, a.value) for a in cpu.bus.log] == [("out", 0x42, 7)]


@pytest.mark.parametrize("before", ["", "nop\n" * 7])
def test_a_stop_asked_for_by_a_port_comes_right_after_the_access(before: str) -> None:
    cpu = _cpu(before + "out 0x42, al\nnop\nnop")
    cpu.engine.port_write = lambda *_: cpu.engine.request_stop()
    assert _run(cpu) == StopRequested()
    assert cpu["rip"] == CODE + before.count("nop") + 2


def test_what_a_callback_raises_comes_out_of_the_run() -> None:
    cpu = _cpu("in al, 0x42\nnop")

    def fail(*_: int) -> int:
        raise ValueError("no such port")

    cpu.engine.port_read = fail
    with pytest.raises(ValueError, match="no such port"):
        _run(cpu)
    assert cpu["rip"] == CODE + 2
    assert _run(cpu) == Halted()
