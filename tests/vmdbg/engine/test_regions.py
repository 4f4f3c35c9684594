"""Memory where the regions say, as code that loads, stores and runs finds it, against plain bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmdbg.engine.exits import Halted, VoidFetch
from vmdbg.engine.memory import Region, ram_regions
from vmdbg.engine.unicorn.bare import CODE, PAGE_TABLE, PAGES, BareCpu, BusAccess
from vmdbg.engine.unicorn.engine import UnicornEngine
from vmdbg.units import PAGE_SIZE, Linear, Physical, Tick

RAM = PAGES * PAGE_SIZE
FIRST = PAGES - 8
"""The linear pages from here on are mapped to WINDOW; below them are code, stack and tables."""
WINDOW = 0x1_2340_0000
WIDE = 6

steps = st.lists(
    st.tuples(st.just("map"), st.integers(0, WIDE - 1), st.integers(0, 9), st.integers(0, 11))
    | st.tuples(st.just("store"), st.integers(0, WIDE - 1), st.integers(0, 255), st.integers(0, PAGE_SIZE - 1))
    | st.tuples(st.just("load"), st.integers(0, WIDE - 1), st.just(0), st.integers(0, PAGE_SIZE - 1))
    | st.tuples(st.just("run"), st.integers(0, WIDE - 1), st.integers(0, 255), st.just(0))
    | st.tuples(st.sampled_from(["device", "clean", "flush"]), st.integers(0, 9), st.integers(0, 255), st.just(0)),
    max_size=25,
)


@pytest.fixture(scope="module")
def cpu() -> Iterator[BareCpu]:
    made = BareCpu()
    for page in range(WIDE):
        entry = struct.pack("<Q", WINDOW + page * PAGE_SIZE | 7)
        made.write(PAGE_TABLE + 8 * (FIRST + page), entry)
    yield made
    made.close()


MEMORY_PAGES = [FIRST + page for page in range(8)]
"""Of RAM, that the guest reaches through the window only; then two of ROM."""


class Bench:
    """The engine, and what each page of its memory ought to hold; `window`: where loads and stores of a page go."""

    def __init__(self, cpu: BareCpu) -> None:
        self.cpu, self.engine = cpu, cpu.engine
        self.rom = _rom(cpu.engine)
        self.places = [*(page * PAGE_SIZE for page in MEMORY_PAGES), self.rom, self.rom + PAGE_SIZE]
        self.engine.restore_pages((FIRST + page, bytes(PAGE_SIZE)) for page in range(8))
        self.model = {place: bytearray(self.engine.memory[place : place + PAGE_SIZE]) for place in self.places}
        self.window: dict[int, tuple[int | None, int | None, bool]] = {}
        self.clean(0, 0, 0)
        self._remap()

    def _remap(self) -> None:
        regions = [Region(Physical(0), FIRST * PAGE_SIZE, 0, 0)]
        for page, (read_at, write_at, lost) in sorted(self.window.items()):
            regions.append(Region(Physical(WINDOW + page * PAGE_SIZE), PAGE_SIZE, read_at, write_at, lost))
        self.engine.set_regions(regions)

    def at(self, page: int) -> tuple[int | None, int | None, bool]:
        return self.window.get(page, (None, None, False))

    def map(self, page: int, value: int, offset: int) -> None:
        place, other = self.places[value], self.places[offset % 8]
        kinds: list[tuple[int | None, int | None, bool]]
        kinds = [(place, None, True), (place, place, False), (place, None, False), (None, other, False)]
        kinds += [(place, other, False), (None, None, False)]
        kind = kinds[offset % len(kinds)]
        kind = kinds[0] if kind[1] is not None and kind[1] >= self.rom else kind
        self.window[page] = kind
        if kind == (None, None, False):
            del self.window[page]
        self._remap()

    def _runs(self, code: bytes, page: int, value: int, offset: int) -> list[BusAccess]:
        """The code, with AX the address and CL the value."""
        self.cpu.bus.log.clear()
        self.cpu.reset()
        self.engine.write_registers({"rax": (FIRST + page) * PAGE_SIZE + offset, "rcx": value})
        assert isinstance(self.cpu.run(code), Halted)
        return self.cpu.bus.log

    def store(self, page: int, value: int, offset: int) -> None:
        log = self._runs(b"\x88\x08", page, value, offset)
        _, write_at, lost = self.at(page)
        if write_at is not None:
            self.model[write_at][offset] = value
        expected = [] if write_at is not None or lost else [WINDOW + page * PAGE_SIZE + offset]
        assert [access.address for access in log] == expected

    def load(self, page: int, value: int, offset: int) -> None:
        log = self._runs(b"\x8a\x08", page, 0, offset)
        read_at, _, _ = self.at(page)
        if read_at is not None:
            assert self.cpu["rcx"] == self.model[read_at][offset]
        asked = [] if read_at is not None else [WINDOW + page * PAGE_SIZE + offset]
        assert [access.address for access in log] == asked

    def run(self, page: int, value: int, offset: int) -> None:
        """MOV AL and HLT at the page's start, which a device has put there."""
        read_at, write_at, _ = self.at(page)
        if read_at is not None and read_at == write_at:
            code = b"\xb0" + bytes([value]) + b"\xf4"
            self.engine.write_physical(Physical(WINDOW + page * PAGE_SIZE), code)
            self.model[read_at][: len(code)] = code
        self.cpu.reset()
        self.engine.write_registers({"rip": (FIRST + page) * PAGE_SIZE, "rax": 0})
        outcome = self.engine.run(Tick(self.engine.clock + 3))
        if read_at is None:
            assert isinstance(outcome, VoidFetch)
        elif self.model[read_at][0] == 0xB0 and self.model[read_at][2] == 0xF4:
            assert isinstance(outcome, Halted)
            assert self.cpu["rax"] == self.model[read_at][1]

    def device(self, page: int, value: int, offset: int) -> None:
        place = self.places[page % 8]
        self.engine.write_memory(place + value, bytes([value]))
        self.model[place][value] = value

    def clean(self, page: int, value: int, offset: int) -> None:
        self.engine.clean_pages()
        self.was = {place: bytes(data) for place, data in self.model.items()}

    def flush(self, page: int, value: int, offset: int) -> None:
        self.engine.flush_caches()

    def check(self) -> None:
        engine = self.engine
        for place, data in self.model.items():
            assert engine.memory[place : place + PAGE_SIZE] == data, hex(place)
            assert self.was[place] == data or place // PAGE_SIZE in engine.dirty_pages()
        for page, (read_at, _, _) in self.window.items():
            expected = bytes(self.model[read_at]) if read_at is not None else b"\xff" * PAGE_SIZE
            assert engine.read_physical(Physical(WINDOW + page * PAGE_SIZE), PAGE_SIZE) == expected
            read = engine.read_linear(Linear((FIRST + page) * PAGE_SIZE), PAGE_SIZE)
            assert read == (expected if read_at is not None else b"")
        self.check_what_is_whole()

    def check_what_is_whole(self) -> None:
        """Stretches over two pages, in the window and at the end of what lies in memory as by address."""
        engine, below = self.engine, Physical(FIRST * PAGE_SIZE - 1)
        assert engine.is_readable(Physical(0), below + 1)
        assert engine.is_writable(below, 1)
        assert not engine.is_readable(below, 2)
        assert not engine.is_writable(below, 2)
        assert not engine.is_readable(below, -1)
        for page in range(WIDE - 1):
            loads, stores = ([self.at(one)[side] is not None for one in (page, page + 1)] for side in (0, 1))
            middle = Physical(WINDOW + page * PAGE_SIZE + 1), PAGE_SIZE
            assert engine.is_readable(*middle) == all(loads)
            assert engine.is_writable(*middle) == all(stores)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(script=steps)
def test_loads_stores_and_code_are_where_the_map_says(cpu: BareCpu, script: list[tuple[str, int, int, int]]) -> None:
    bench = Bench(cpu)
    for action, page, value, offset in script:
        getattr(bench, action)(page, value, offset)
    bench.check()


_ROMS: dict[int, int] = {}


def _rom(engine: UnicornEngine) -> int:
    if id(engine) not in _ROMS:
        _ROMS[id(engine)] = engine.add_rom(b"\xb0\x5a\xf4\x90" * (PAGE_SIZE // 2))
    return _ROMS[id(engine)]


def test_a_map_that_makes_no_sense_is_refused(cpu: BareCpu) -> None:
    whole = Region(Physical(0), RAM, 0, 0)
    for bad in (
        [whole, whole],
        [Region(Physical(0), 100, 0, 0)],
        [Region(Physical(0), PAGE_SIZE, 1 << 40, 0)],
        [Region(Physical(0), PAGE_SIZE, None, None)],
    ):
        with pytest.raises(ValueError, match="is no region of"):
            cpu.engine.set_regions(bad)
    cpu.engine.set_regions(ram_regions(RAM))
    assert cpu.read(CODE, 1) >= 0
