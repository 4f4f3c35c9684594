"""Pages that are owed hold what they should for whoever accesses them, in whatever way; others are not asked for."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmdbg.engine.exits import Access, Halted, WatchpointHit
from vmdbg.engine.memory import Region
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn.bare import (
    CODE,
    DATA,
    GDT,
    HANDLERS,
    IDT,
    PAGE_DIRECTORY,
    PAGE_TABLE,
    PAGES,
    PDPT,
    PML4,
    STACK,
    BareCpu,
)
from vmdbg.errors import RecordingError
from vmdbg.units import PAGE_SIZE, Linear, Physical, Tick

APART = 32
"""Pages of memory from one page that the guest has to the next, so that none is put back with another."""
DATA_PAGE = DATA // PAGE_SIZE
HLT = 0xF4


class Debtor:
    """A CPU whose pages lie far apart in memory, and what is owed of them."""

    def __init__(self) -> None:
        self.cpu = BareCpu(pages=PAGES * APART)
        self.engine = self.cpu.engine
        whole = bytes(self.engine.ram[: PAGES * PAGE_SIZE])
        self.engine.set_regions(
            [
                Region(Physical(page * PAGE_SIZE), PAGE_SIZE, place := page * APART * PAGE_SIZE, place)
                for page in range(PAGES)
            ]
        )
        self.holds = {page * APART: whole[page * PAGE_SIZE : (page + 1) * PAGE_SIZE] for page in range(PAGES)}
        self.engine.restore_pages(self.holds.items())
        self.engine.clean_pages()
        self.asked: list[int] = []
        self.fails = False
        self.wanted: Sequence[int] = ()
        """What runs() owes."""

    def owe(self, pages: Collection[int]) -> None:
        """Pages of the guest: they hold something else and are to hold what `holds` says."""
        numbers = sorted(page * APART for page in pages)
        self.engine.restore_pages((number, b"\xcc" * PAGE_SIZE) for number in numbers)
        assert self.engine.owe_pages(array("I", numbers), self.contents)
        self.engine.clean_pages()

    def contents(self, numbers: Sequence[int]) -> list[bytes]:
        if self.fails:
            raise RecordingError("they are damaged")
        self.asked += numbers
        return [self.holds[number] for number in numbers]

    def put(self, address: int, data: bytes) -> None:
        """What a page is to hold."""
        number, offset = address // PAGE_SIZE * APART, address % PAGE_SIZE
        page = bytearray(self.holds[number])
        page[offset : offset + len(data)] = data
        self.holds[number] = bytes(page)
        self.engine.restore_pages([(number, self.holds[number])])

    def runs(self, code: bytes, **registers: int) -> None:
        self.put(CODE, code + bytes([HLT]))
        self.owe(self.wanted)
        self.go(**registers)

    def go(self, **registers: int) -> None:
        self.cpu.reset()
        self.engine.write_registers(registers | {"rip": CODE})
        assert isinstance(self.engine.run(Tick(self.engine.clock + 10_000)), Halted)


@pytest.fixture
def debtor() -> Iterator[Debtor]:
    made = Debtor()
    yield made
    made.cpu.close()


def loads(debtor: Debtor) -> None:
    debtor.put(DATA + 16, b"\x77")
    debtor.runs(b"\x8a\x00", rax=DATA + 16)  # mov al,[rax]
    assert debtor.cpu["rax"] & 0xFF == 0x77


def stores(debtor: Debtor) -> None:
    debtor.put(DATA, b"before!!")
    debtor.runs(b"\x88\x08", rax=DATA + 2, rcx=0x41)  # mov [rax],cl
    assert debtor.engine.read_physical(Physical(DATA), 8) == b"beAore!!"


def fetches(debtor: Debtor) -> None:
    debtor.runs(b"\xb0\x12")  # mov al,12h
    assert debtor.cpu["rax"] == 0x12


def walks_tables(debtor: Debtor) -> None:
    debtor.put(DATA, b"\x55")
    debtor.runs(b"\x8a\x00", rax=DATA)
    assert debtor.cpu["rax"] & 0xFF == 0x55


def pushes(debtor: Debtor) -> None:
    debtor.put(STACK - 16, b"\x33" * 8)
    debtor.runs(b"\x51\x58\x5b", rcx=0x99, rsp=STACK - 16)  # push rcx; pop rax; pop rbx
    assert [debtor.cpu["rax"], debtor.cpu["rbx"]] == [0x99, 0x3333333333333333]


def delivers(debtor: Debtor) -> None:
    debtor.runs(b"\xcc\xb0\x01")  # int3, whose handler is HLT
    assert debtor.cpu["rip"] == HANDLERS + 3 + 1


def loads_segments(debtor: Debtor) -> None:
    debtor.runs(b"\x8e\xd8\xb0\x44", rax=0x10)  # mov ds,ax; mov al,44h
    assert debtor.cpu["rax"] == 0x44


def copies(debtor: Debtor) -> None:
    debtor.put(DATA, bytes(range(256)))
    debtor.runs(b"\xf3\xa4", rsi=DATA, rdi=DATA + 2048, rcx=256)  # rep movsb
    assert debtor.engine.read_physical(Physical(DATA + 2048), 256) == bytes(range(256))


def loads_vectors(debtor: Debtor) -> None:
    debtor.put(DATA + 32, bytes(range(16)))
    debtor.runs(b"\xf3\x0f\x6f\x00\xf3\x0f\x7f\x40\x40", rax=DATA + 32)  # movdqu xmm0,[rax]; movdqu [rax+64],xmm0
    assert debtor.engine.read_physical(Physical(DATA + 96), 16) == bytes(range(16))


def loads_across(debtor: Debtor) -> None:
    debtor.put(DATA - 4, b"abcd")
    debtor.put(DATA, b"efgh")
    debtor.runs(b"\x48\x8b\x18", rax=DATA - 4)  # mov rbx,[rax]
    assert debtor.cpu["rbx"].to_bytes(8, "little") == b"abcdefgh"


BEFORE_PAE = {"cr0": 0x11, "cr4": 0x20, "efer": 0, "cs_flags": 0xCF9B00, "cs_limit": 0xFFFFFFFF, "ss_flags": 0xCF9300}
"""Flat 32-bit code without paging."""
PAGING = 0x8000_0011
"""For CR0."""


def loads_pointers(debtor: Debtor) -> None:
    debtor.put(DATA, PAGE_DIRECTORY.to_bytes(8, "little") * 4)  # none is present
    debtor.put(DATA, (PAGE_DIRECTORY | 1).to_bytes(8, "little"))
    debtor.runs(b"\x0f\x22\xc0\xb0\x55", rax=PAGING, cr3=DATA, **BEFORE_PAE)  # mov cr0,eax; mov al,55h
    assert debtor.cpu["rax"] & 0xFF == 0x55


def reads_by_dma(debtor: Debtor) -> None:
    debtor.put(DATA, b"for a device")
    debtor.owe(debtor.wanted)
    assert debtor.engine.read_physical(Physical(DATA), 12) == b"for a device"


def writes_by_dma(debtor: Debtor) -> None:
    debtor.put(DATA, b"ab....gh")
    debtor.owe(debtor.wanted)
    debtor.engine.write_physical(Physical(DATA + 2), b"cdef")
    assert debtor.engine.read_physical(Physical(DATA), 8) == b"abcdefgh"


def is_read_by_a_debugger(debtor: Debtor) -> None:
    debtor.put(DATA, b"12345678")
    debtor.cpu.reset()
    debtor.owe(debtor.wanted)
    assert debtor.engine.read_linear(Linear(DATA), 8) == b"12345678"
    assert debtor.engine.read_integer(Linear(DATA), 2) == 0x3231


def is_translated(debtor: Debtor) -> None:
    debtor.cpu.reset()
    debtor.owe(debtor.wanted)
    assert debtor.engine.translate(Linear(DATA)) == DATA


def is_watched(debtor: Debtor) -> None:
    debtor.put(DATA, b"old")
    debtor.put(CODE, b"\x88\x08\xf4")
    debtor.owe(debtor.wanted)
    debtor.engine.set_watchpoints([Watchpoint(1, DATA, 1, frozenset({Access.WRITE}))])
    debtor.cpu.reset()
    debtor.engine.write_registers({"rip": CODE, "rax": DATA, "rcx": 0x58})
    outcome = debtor.engine.run(Tick(debtor.engine.clock + 100))
    debtor.engine.set_watchpoints([])
    assert isinstance(outcome, WatchpointHit)
    assert outcome.hits[0].old == b"o"


WAYS: list[tuple[Callable[[Debtor], None], set[int]]] = [
    (loads, {DATA_PAGE}),
    (stores, {DATA_PAGE}),
    (fetches, {CODE // PAGE_SIZE}),
    (walks_tables, {PML4 // PAGE_SIZE}),
    (walks_tables, {PDPT // PAGE_SIZE}),
    (walks_tables, {PAGE_TABLE // PAGE_SIZE, DATA_PAGE}),
    (pushes, {STACK // PAGE_SIZE - 1}),
    (delivers, {IDT // PAGE_SIZE}),
    (delivers, {HANDLERS // PAGE_SIZE}),
    (loads_segments, {GDT // PAGE_SIZE}),
    (copies, {DATA_PAGE}),
    (loads_vectors, {DATA_PAGE}),
    (loads_across, {DATA_PAGE - 1, DATA_PAGE}),
    (loads_pointers, {DATA_PAGE}),
    (reads_by_dma, {DATA_PAGE}),
    (writes_by_dma, {DATA_PAGE}),
    (is_read_by_a_debugger, {DATA_PAGE}),
    (is_read_by_a_debugger, {PAGE_TABLE // PAGE_SIZE}),
    (is_translated, {PML4 // PAGE_SIZE}),
    (is_watched, {DATA_PAGE}),
]


@pytest.mark.parametrize(("way", "pages"), WAYS, ids=lambda part: getattr(part, "__name__", str(part)))
def test_who_accesses_a_page_finds_what_it_is_to_hold(
    debtor: Debtor, way: Callable[[Debtor], None], pages: set[int]
) -> None:
    untouched = 0 if 0 not in pages else 14
    debtor.wanted = [*pages, untouched]
    way(debtor)
    assert {number // APART for number in debtor.asked} == pages, "the other is not asked for"
    owed = debtor.engine.owed_pages()
    assert [number for number, one in enumerate(owed) if one] == [untouched * APART]


@pytest.mark.parametrize("way", [fetches, loads])
def test_code_of_what_a_page_held_before_does_not_run(debtor: Debtor, way: Callable[[Debtor], None]) -> None:
    debtor.put(CODE, b"\xb0\x99\xf4")
    debtor.go()
    assert debtor.cpu["rax"] == 0x99
    debtor.wanted = [CODE // PAGE_SIZE]
    way(debtor)


def test_a_view_that_was_had_before_shows_what_is_owed(debtor: Debtor) -> None:
    view = debtor.engine.memory
    debtor.put(DATA, b"seen")
    debtor.owe([DATA_PAGE, 3])
    place = DATA_PAGE * APART * PAGE_SIZE
    assert bytes(view[place : place + 4]) == b"seen"
    assert debtor.asked == [DATA_PAGE * APART]


def test_whole_memory_is_asked_for_at_once(debtor: Debtor) -> None:
    debtor.owe(range(PAGES))
    ram = debtor.engine.ram
    assert debtor.asked == [page * APART for page in range(PAGES)]
    assert not debtor.engine.owed_pages()
    assert all(bytes(ram[n * PAGE_SIZE : (n + 1) * PAGE_SIZE]) == page for n, page in debtor.holds.items())


def test_neighbours_are_put_back_together(debtor: Debtor) -> None:
    debtor.holds |= {number: bytes([number]) * PAGE_SIZE for number in range(1, 20)}
    assert debtor.engine.owe_pages(array("I", range(1, 20)), debtor.contents)
    assert debtor.engine.read_memory(3 * PAGE_SIZE, 1) == b"\x03"
    assert debtor.asked == list(range(1, 16))
    assert debtor.engine.read_memory(15 * PAGE_SIZE, 2 * PAGE_SIZE) == debtor.holds[15] + debtor.holds[16]
    assert debtor.asked == list(range(1, 20))


def test_what_is_put_back_is_owed_no_longer(debtor: Debtor) -> None:
    debtor.owe([DATA_PAGE, 3])
    debtor.engine.restore_pages([(DATA_PAGE * APART, b"n" * PAGE_SIZE)])
    assert debtor.engine.read_physical(Physical(DATA), 4) == b"nnnn"
    assert not debtor.asked


def test_a_copy_of_the_process_has_the_same_pages_owed(debtor: Debtor) -> None:
    debtor.put(DATA, b"copy")
    debtor.owe([DATA_PAGE])
    child = os.fork()
    if not child:
        place = DATA_PAGE * APART * PAGE_SIZE
        os._exit(0 if bytes(memoryview(debtor.engine._memory)[place : place + 4]) == b"copy" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert not debtor.asked
    assert debtor.engine.read_physical(Physical(DATA), 4) == b"copy"


def test_the_kernel_of_the_host_is_refused_and_told_nothing_old(debtor: Debtor) -> None:
    view = debtor.engine.memory
    debtor.owe([DATA_PAGE])
    place = DATA_PAGE * APART * PAGE_SIZE
    read, write = os.pipe()
    with pytest.raises(OSError, match="Bad address"):
        os.write(write, view[place : place + 16])
    os.close(read)
    os.close(write)


def test_what_cannot_be_had_is_an_error_each_time(debtor: Debtor) -> None:
    debtor.cpu.reset()
    debtor.owe([DATA_PAGE])
    debtor.fails = True
    for access in (
        lambda: debtor.engine.read_physical(Physical(DATA), 4),
        lambda: debtor.engine.write_physical(Physical(DATA), b"1234"),
        lambda: debtor.engine.read_linear(Linear(DATA), 4),
        lambda: debtor.engine.read_integer(Linear(DATA), 4),
        lambda: debtor.engine.ram,
    ):
        for _ in range(2):
            with pytest.raises(RecordingError, match="damaged"):
                access()
    debtor.fails = False
    assert debtor.engine.read_physical(Physical(DATA), 4) == debtor.holds[DATA_PAGE * APART][:4]


@pytest.mark.parametrize("pages", [[DATA_PAGE], [PAGE_TABLE // PAGE_SIZE], [CODE // PAGE_SIZE]])
def test_a_run_that_needs_what_cannot_be_had_ends_with_the_error(debtor: Debtor, pages: list[int]) -> None:
    debtor.put(CODE, b"\x8a\x00\xeb\xfc")  # mov al,[rax]; jmp to it
    debtor.cpu.reset()
    debtor.owe(pages)
    debtor.fails = True
    debtor.engine.write_registers({"rip": CODE, "rax": DATA})
    with pytest.raises(RecordingError, match="damaged"):
        debtor.engine.run(Tick(debtor.engine.clock + 1_000_000))
    assert any(debtor.engine.owed_pages()), "it is known that they hold something else"


def test_pointers_that_cannot_be_had_end_a_run_with_the_error(debtor: Debtor) -> None:
    """They are looked at before any table is walked (SDM 3A 4.4.1)."""
    debtor.put(CODE, b"\x0f\x22\xc0\xf4")  # mov cr0,eax; hlt
    debtor.cpu.reset()
    debtor.owe([DATA_PAGE])
    debtor.fails = True
    debtor.engine.write_registers(BEFORE_PAE | {"rip": CODE, "rax": PAGING, "cr3": DATA})
    with pytest.raises(RecordingError, match="damaged"):
        debtor.engine.run(Tick(debtor.engine.clock + 1_000))


def test_more_stretches_than_the_host_has_mappings_for_are_refused() -> None:
    cpu = BareCpu(pages=40_000)
    try:
        every_other = array("I", range(16, 40_000, 2))
        assert not cpu.engine.owe_pages(every_other, lambda numbers: [b"x" * PAGE_SIZE for _ in numbers])
        assert sum(cpu.engine.owed_pages()) == len(every_other), "to be put back at once"
        cpu.engine.restore_pages((number, b"y" * PAGE_SIZE) for number in every_other)
        assert not cpu.engine.owed_pages()
        assert cpu.engine.ram[16 * PAGE_SIZE] == ord("y")
    finally:
        cpu.close()


def test_an_engine_that_is_closed_owes_nothing() -> None:
    cpu, other = BareCpu(), BareCpu()
    for one in (cpu, other):
        assert one.engine.owe_pages(array("I", [3]), lambda numbers: [b"x" * PAGE_SIZE for _ in numbers])
    cpu.close()
    assert other.engine.ram[3 * PAGE_SIZE] == ord("x")
    other.close()


CRASHES = """
import ctypes, faulthandler, sys
from array import array
from vmdbg.engine.unicorn.bare import BareCpu
if sys.argv[1] == "before":
    faulthandler.enable()
cpu = BareCpu()
view = cpu.engine.memory
assert cpu.engine.owe_pages(array("I", [3]), lambda numbers: [b"x" * 4096 for _ in numbers])
assert view[3 * 4096] == ord("x")
ctypes.string_at(8)
"""


@pytest.mark.parametrize("handler", ["none", "before"])
def test_faults_that_are_none_of_ours_end_the_process_as_ever(handler: str) -> None:
    ended = subprocess.run([sys.executable, "-c", CRASHES, handler], capture_output=True, timeout=60, check=False)
    assert ended.returncode == -11
    assert (b"Segmentation fault" in ended.stderr) == (handler == "before")


ADDRESSES = st.integers(DATA - 8, DATA + PAGE_SIZE - 8)
STEPS = st.lists(
    st.tuples(st.just("owe"), st.sets(st.integers(0, PAGES - 1), min_size=1))
    | st.tuples(st.sampled_from(["store", "load", "device", "debugger"]), ADDRESSES)
    | st.tuples(st.just("code"), st.integers(0, 255)),
    max_size=30,
)


def _done(debtor: Debtor, what: str, operand: int, value: int) -> object:
    engine = debtor.engine
    match what:
        case "store":
            engine.write_physical(Physical(CODE), b"\x48\x89\x08\xf4")  # mov [rax],rcx
            debtor.go(rax=operand, rcx=value * 0x0101010101010101)
        case "load":
            engine.write_physical(Physical(CODE), b"\x48\x8b\x18\xf4")  # mov rbx,[rax]
            debtor.go(rax=operand)
        case "device":
            engine.write_physical(Physical(operand), bytes([value] * 3))
        case "code":
            engine.write_physical(Physical(CODE), bytes([0xB0, operand, HLT]))  # mov al,operand
            debtor.go()
        case _:
            return engine.read_linear(Linear(operand), 16)
    return [debtor.cpu[name] for name in ("rax", "rbx", "rip")], list(engine.dirty_pages())


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, values=st.randoms(use_true_random=False))
def test_it_cannot_be_told_what_was_owed(steps: list[tuple[str, Any]], values: random.Random) -> None:
    """Two machines do the same; of one pages are owed now and then."""
    plain, owing = Debtor(), Debtor()
    try:
        for what, operand in steps:
            if what == "owe":
                memory = plain.engine.memory
                for number in (page * APART for page in operand):
                    owing.holds[number] = bytes(memory[number * PAGE_SIZE : (number + 1) * PAGE_SIZE])
                owing.owe(operand)
                plain.engine.clean_pages()
                continue
            value = values.randrange(256)
            assert _done(plain, what, operand, value) == _done(owing, what, operand, value)
        assert bytes(plain.engine.ram) == bytes(owing.engine.ram)
    finally:
        plain.cpu.close()
        owing.cpu.close()
