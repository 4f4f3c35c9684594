"""Instructions that are left half-way and run again: devices and flags are as if they had run once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.guests.build import assemble
from vmdbg.engine.exits import Access, EventCaught, EventKind, Halted, LimitReached, Stepped, WatchpointHit
from vmdbg.engine.stops import Catches, Watchpoint
from vmdbg.engine.unicorn.bare import CODE, DATA, PAGE_TABLE, PRESENT, STACK, WINDOW, BareCpu
from vmdbg.units import PAGE_SIZE, Tick

READ_ONLY = DATA + PAGE_SIZE
CARRY = 1
GENERAL_PROTECTION, PAGE_FAULT = 13, 14
TO_DATA = f"mov edi, {DATA}\nmov esi, {WINDOW}\nmov edx, 3f8h\nmov ecx, 2\n"
COPIES = ["insb", "rep insw", "movsd", "rep movsq"]


def _cpu(source: str) -> BareCpu:
    cpu = BareCpu()
    cpu.write(PAGE_TABLE + 8 * (READ_ONLY // PAGE_SIZE), (READ_ONLY | PRESENT).to_bytes(8, "little"))
    cpu.load(assemble(source, origin=CODE) + b"\xf4")
    return cpu


def _run(cpu: BareCpu) -> object:
    return cpu.engine.run(Tick(cpu.engine.clock + 10_000), over_breakpoint=True)


def _finish(cpu: BareCpu) -> None:
    for _ in range(10):
        if _run(cpu) == Halted():
            return
    raise AssertionError("the code did not come to its end")


def _undisturbed(source: str) -> tuple[object, ...]:
    return _ended(_cpu(source), _finish)


def _ended(cpu: BareCpu, finish: Callable[[BareCpu], None]) -> tuple[object, ...]:
    finish(cpu)
    ended = (cpu.bus.log, bytes(cpu.engine.ram), cpu.engine.cpu_digest_bytes(), cpu.engine.clock)
    cpu.close()
    return ended


@pytest.mark.parametrize("copy", COPIES)
def test_a_watchpoint_where_device_data_goes_does_not_read_it_twice(copy: str) -> None:
    cpu = _cpu(TO_DATA + copy)
    cpu.engine.set_watchpoints([Watchpoint(1, DATA, 8, frozenset({Access.WRITE}))])
    assert isinstance(_run(cpu), WatchpointHit)
    assert _ended(cpu, _finish) == _undisturbed(TO_DATA + copy)


@pytest.mark.parametrize("copy", COPIES)
def test_the_guests_own_breakpoint_where_device_data_goes_does_not_read_it_twice(copy: str) -> None:
    cpu = _cpu(TO_DATA + copy)
    cpu.engine.write_registers({"dr0": DATA, "dr7": 0x10401 | 1})
    ended = _run(cpu)
    assert ended == Halted()
    assert cpu.engine.delivery_count > 0
    reads = [access for access in cpu.bus.log if access.kind in ("in", "read")]
    assert len({(access.now, access.address) for access in reads}) == len(reads)
    cpu.close()


def test_a_port_that_is_caught_does_not_have_what_goes_there_read_twice() -> None:
    source = f"mov esi, {WINDOW}\nmov edx, 3f8h\noutsb"
    cpu = _cpu(source)
    cpu.engine.set_catches(Catches(events=frozenset({EventKind.PORT_WRITE})))
    assert isinstance(_run(cpu), EventCaught)
    assert _ended(cpu, _finish) == _undisturbed(source)


@pytest.mark.parametrize("load", [f"mov esi, {WINDOW}\nmovsd", "mov edx, 3f8h\ninsd"])
def test_code_that_changes_itself_with_device_data_does_not_read_it_twice(load: str) -> None:
    source = f"mov edi, changed\n{load}\nnop\nnop\nchanged: dd 90909090h"
    stepped = _cpu(source)
    for _ in range(4):
        stepped.engine.step()
    assert len(stepped.bus.log) == 1
    at_once = _cpu(source)
    at_once.engine.run(Tick(stepped.engine.clock))
    assert at_once.bus.log == stepped.bus.log
    assert at_once.engine.clock == stepped.engine.clock
    at_once.close()
    stepped.close()


def test_a_write_to_a_device_and_then_to_watched_memory_is_made_once() -> None:
    source = f"mov esp, {WINDOW + 8}\nenter 0, 2\n"
    cpu = _cpu(source)
    cpu.engine.set_watchpoints([Watchpoint(1, WINDOW - 8, 8, frozenset({Access.WRITE}))])
    _finish(cpu)
    undisturbed = _undisturbed(source)
    assert cpu.bus.log == undisturbed[0]
    cpu.close()


@pytest.mark.parametrize(
    "rotate", ["rcl dword [rbx], 1", "rcr word [rbx], 3", "rcl byte [rbx], cl", "rcr qword [rbx], 1"]
)
@pytest.mark.parametrize("flags", ["stc", "clc"])
class TestRotateThroughCarry:
    """The store is given up after the rotation has changed CF."""

    def _source(self, rotate: str, flags: str, at: int) -> str:
        return f"mov ecx, 2\nmov ebx, {at}\n{flags}\n{rotate}\nsetc al\npushfq"

    def test_a_store_that_faults_leaves_the_flags(self, rotate: str, flags: str) -> None:
        cpu = _cpu(self._source(rotate, flags, READ_ONLY))
        cpu.write(READ_ONLY, b"\xa5" * 8)
        assert _run(cpu) == Halted()
        assert cpu.read(STACK - 24, 8) & CARRY == (flags == "stc")
        cpu.close()

    def test_a_watchpoint_leaves_the_result(self, rotate: str, flags: str) -> None:
        source = self._source(rotate, flags, DATA)
        cpu = _cpu(source)
        cpu.engine.set_watchpoints([Watchpoint(1, DATA, 1, frozenset({Access.WRITE}))])
        assert isinstance(_run(cpu), WatchpointHit)
        assert _ended(cpu, _finish) == _undisturbed(source)


def test_every_way_to_the_end_of_a_copy_from_a_device_is_one() -> None:
    def in_steps(cpu: BareCpu) -> None:
        while cpu.engine.step() == Stepped():
            pass

    def in_slices(cpu: BareCpu) -> None:
        while cpu.engine.run(Tick(cpu.engine.clock + 1)) == LimitReached():
            pass

    for copy in COPIES:
        source = TO_DATA + copy
        assert _ended(_cpu(source), in_steps) == _undisturbed(source)
        assert _ended(_cpu(source), in_slices) == _undisturbed(source)


def test_flags_that_only_running_tells_stay_when_a_later_access_is_watched() -> None:
    source = f"mov ebx, {DATA}\ndec al\nadd al, 1\nrcl al, 1\nsub edx, 1\nshl edx, cl\nmov eax, [rbx]\npushfq"
    cpu = _cpu(source)
    cpu.engine.set_watchpoints([Watchpoint(1, DATA, 1, frozenset({Access.READ}))])
    assert isinstance(_run(cpu), WatchpointHit)
    assert _ended(cpu, _finish) == _undisturbed(source)


INS = ["insb", "insw", "insd", "rep insb"]


@pytest.mark.parametrize("ins", INS)
def test_a_port_that_is_caught_leaves_memory_alone(ins: str) -> None:
    cpu = _cpu(TO_DATA + ins)
    cpu.write(DATA, b"\xa5" * 16)
    cpu.engine.set_catches(Catches(events=frozenset({EventKind.PORT_READ})))
    assert isinstance(_run(cpu), EventCaught)
    assert cpu.read(DATA, 8) == 0xA5A5A5A5A5A5A5A5
    cpu.close()


@pytest.mark.parametrize("ins", INS)
def test_a_port_that_is_refused_leaves_memory_alone(ins: str) -> None:
    cpu = _cpu(TO_DATA + ins)
    cpu.write(DATA, b"\xa5" * 16)
    cpu.engine.write_registers({"cs": 0x1B, "cs_flags": 0xAFFB00, "ss": 0x23, "ss_flags": 0xCFF300})
    assert _run(cpu) == Halted() or cpu.engine.delivery_count
    assert cpu.engine.deliveries()[0].vector == GENERAL_PROTECTION
    assert cpu.read(DATA, 8) == 0xA5A5A5A5A5A5A5A5
    assert not cpu.bus.log
    cpu.close()


@pytest.mark.parametrize("at", [READ_ONLY, READ_ONLY - 1])
def test_a_port_is_not_read_for_a_place_that_cannot_be_stored_to(at: int) -> None:
    cpu = _cpu(f"mov edi, {at}\nmov edx, 3f8h\ninsd")
    assert _run(cpu) == Halted()
    assert cpu.engine.deliveries()[0].vector == PAGE_FAULT
    assert cpu.engine.deliveries()[0].cr2 == READ_ONLY
    assert not cpu.bus.log
    cpu.close()


def test_a_device_is_stored_to_once_from_a_port() -> None:
    cpu = _cpu(f"mov edi, {WINDOW}\nmov edx, 3f8h\ninsd")
    assert _run(cpu) == Halted()
    assert [access.kind for access in cpu.bus.log] == ["in", "write"]
    cpu.close()
