"""Errors of the x87 with CR0.NE clear: FERR#, standing before the instruction that waits, and IGNNE#."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from vmdbg.engine.exits import Delivery, Halted
from vmdbg.engine.unicorn.bare import CODE, BareCpu, BusAccess
from vmdbg.units import Tick

NE, IF = 0x20, 0x200
CR0 = 0x80010011
FAIL = "9bdbe3c704247b030000d92c24d9eed9e8def1"  # finit; mov dword [rsp], 37bh; fldcw [rsp]; fldz; fld1; fdivrp
WAITING = {"fwait": "9b", "fld1": "d9e8", "emms": "0f77", "fstp": "dd1c24", "pxor": "0fefc0"}
FREE = {"fnstsw": "dfe0", "fnclex": "dbe2", "fnop of the 8087": "dbe0"}


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu()
    yield bare
    bare.close()


def _fail(cpu: BareCpu, behind: str, **registers: int) -> tuple[object, Tick]:
    cpu.reset()
    cpu.bus.log.clear()
    cpu.engine.write_registers({"cr0": CR0, "rsp": 0x9800} | registers)
    start = cpu.engine.clock
    return cpu.run(bytes.fromhex(FAIL + behind)), start


def _at(code: str) -> int:
    return CODE + len(bytes.fromhex(code))


@pytest.mark.parametrize("code", WAITING.values(), ids=WAITING)
def test_an_instruction_that_waits_stands_and_drives_ferr(cpu: BareCpu, code: str) -> None:
    ended, start = _fail(cpu, "90" + code)
    here = len(bytes.fromhex(FAIL)) + 1
    assert ended == Halted()
    assert cpu["rip"] == _at(FAIL) + 1
    assert cpu.bus.log == [BusAccess("ferr", 0, 0, 0, start + here)]
    assert cpu.engine.clock == start + here + 1


@pytest.mark.parametrize("code", FREE.values(), ids=FREE)
def test_others_go_on(cpu: BareCpu, code: str) -> None:
    assert _fail(cpu, code)[0] == Halted()
    assert cpu.bus.log == []
    assert cpu["rip"] == _at(FAIL + code) + 1


def test_an_interrupt_wakes_it_with_the_instruction_still_to_come(cpu: BareCpu) -> None:
    _fail(cpu, "fb9b")  # sti; fwait: what stands there is not held back by STI
    cpu.engine.cpus[0].set_interrupt(True)
    cpu.engine.step()
    last = cpu.engine.deliveries()[-1]
    assert isinstance(last, Delivery)
    assert last.rip == _at(FAIL) + 1


def test_with_ne_it_is_an_exception(cpu: BareCpu) -> None:
    _fail(cpu, "9b", cr0=CR0 | NE)
    assert cpu.engine.deliveries()[-1].vector == 16
    assert cpu.bus.log == []


def test_ignne_lasts_as_long_as_the_error(cpu: BareCpu) -> None:
    _fail(cpu, "9bd9e89b90dbe29b" + FAIL + "9b")
    first = cpu["rip"]
    cpu.engine.cpus[0].ignore_x87_errors()
    saved = cpu.engine.snapshot()
    for _ in range(2):
        assert cpu.engine.run(Tick(cpu.engine.clock + 1000)) == Halted()
        assert cpu["rip"] == _at(FAIL + "9bd9e89b90dbe29b" + FAIL)
        assert len(cpu.bus.log) == 2
        cpu.bus.log.pop()
        cpu.engine.restore(saved)
        assert cpu["rip"] == first


def test_ignne_without_an_error_is_not_heeded(cpu: BareCpu) -> None:
    cpu.reset()
    digest = cpu.engine.cpu_digest_bytes()
    cpu.engine.cpus[0].ignore_x87_errors()
    assert cpu.engine.cpu_digest_bytes() == digest
    _fail(cpu, "9b")
    assert len(cpu.bus.log) == 1


def test_ignne_is_part_of_the_state(cpu: BareCpu) -> None:
    _fail(cpu, "9b")
    digest = cpu.engine.cpu_digest_bytes()
    cpu.engine.cpus[0].ignore_x87_errors()
    assert cpu.engine.cpu_digest_bytes() != digest


@pytest.mark.parametrize("size", range(1, 8))
def test_where_it_stands_does_not_depend_on_how_it_is_run(cpu: BareCpu, size: int) -> None:
    _fail(cpu, "90fb9b")
    whole = cpu.engine.clock, cpu["rip"], cpu.engine.cpu_digest_bytes()
    other = BareCpu()
    other.reset()
    other.engine.write_registers({"cr0": CR0, "rsp": 0x9800})
    other.load(bytes.fromhex(FAIL + "90fb9b"))
    ended: object = None
    while ended != Halted():
        ended = other.engine.run(Tick(other.engine.clock + size)) if size < 7 else other.engine.step()
    assert (other.engine.clock, other["rip"], other.engine.cpu_digest_bytes()) == whole
    other.close()
