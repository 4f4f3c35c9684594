"""Memory where the regions say, as code that loads, stores and runs finds it, against plain bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmdbg.engine.exits import Halted, VoidFetch
from vmdbg.engine.memory import Region, ram_regions
from vmdbg.engine.unicorn.bare import CODE, PAGE_TABLE, PAGES, BareCpu
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


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=steps)
def test_loads_stores_and_code_are_where_the_map_says(cpu: BareCpu, script: list[tuple[str, int, int, int]]) -> None:
    engine = cpu.engine
    rom = _rom(engine)
    places = [*(page * PAGE_SIZE for page in MEMORY_PAGES), rom, rom + PAGE_SIZE]
    engine.restore_memory(FIRST * PAGE_SIZE, bytes(8 * PAGE_SIZE))
    engine.clean_pages()
    model = {place: bytearray(engine.memory[place : place + PAGE_SIZE]) for place in places}
    clean = {place: bytes(data) for place, data in model.items()}
    window: dict[int, tuple[int | None, int | None, bool]] = {}
    low = Region(Physical(0), FIRST * PAGE_SIZE, 0, 0)

    def remap() -> None:
        regions = [low]
        for page, (read_at, write_at, lost) in sorted(window.items()):
            regions.append(Region(Physical(WINDOW + page * PAGE_SIZE), PAGE_SIZE, read_at, write_at, lost))
        engine.set_regions(regions)

    remap()
    for action, page, value, offset in script:
        linear = (FIRST + page) * PAGE_SIZE + offset
        read_at, write_at, _ = window.get(page, (None, None, False))
        match action:
            case "map":
                place = places[value]
                other = places[offset % 8]
                kinds = [(place, place, False), (place, None, True), (place, None, False), (None, other, False)]
                kinds += [(place, other, False), (None, None, False)]
                kind = kinds[offset % len(kinds)]
                if kind[1] is not None and kind[1] >= rom:
                    kind = (place, None, True)
                window[page] = kind
                if kind == (None, None, False):
                    del window[page]
                remap()
            case "store":
                cpu.bus.log.clear()
                cpu.reset()
                engine.write_registers({"rax": linear, "rcx": value})
                assert isinstance(cpu.run(b"\x88\x08"), Halted)
                stored = [access for access in cpu.bus.log if access.kind == "write"]
                if write_at is not None:
                    model[write_at][offset] = value
                    assert not stored
                else:
                    assert bool(stored) is not window.get(page, (None, None, False))[2]
            case "load":
                cpu.bus.log.clear()
                cpu.reset()
                engine.write_register("rax", linear)
                assert isinstance(cpu.run(b"\x8a\x08"), Halted)
                if read_at is not None:
                    assert cpu["rcx"] == model[read_at][offset]
                    assert not cpu.bus.log
                else:
                    assert [access.address for access in cpu.bus.log] == [WINDOW + page * PAGE_SIZE + offset]
            case "run":
                if read_at is not None and read_at < rom and write_at == read_at:
                    code = b"\xb0" + bytes([value]) + b"\xf4"
                    engine.write_physical(Physical(WINDOW + page * PAGE_SIZE), code)
                    model[read_at][: len(code)] = code
                cpu.reset()
                engine.write_registers({"rip": linear, "rax": 0})
                outcome = engine.run(Tick(engine.clock + 3))
                if read_at is None:
                    assert isinstance(outcome, VoidFetch)
                elif model[read_at][0] == 0xB0 and model[read_at][2] == 0xF4:
                    assert isinstance(outcome, Halted)
                    assert cpu["rax"] == model[read_at][1]
            case "device":
                place = places[page % 8]
                engine.write_memory(place + value, bytes([value]))
                model[place][value] = value
            case "clean":
                engine.clean_pages()
                clean = {place: bytes(data) for place, data in model.items()}
            case _:
                engine.flush_caches()
    for place, data in model.items():
        assert engine.memory[place : place + PAGE_SIZE] == data, hex(place)
        if place < rom and clean[place] != data:
            assert place // PAGE_SIZE in engine.dirty_pages()
    for page, (read_at, _, _) in window.items():
        start = Physical(WINDOW + page * PAGE_SIZE)
        expected = bytes(model[read_at]) if read_at is not None else b"\xff" * PAGE_SIZE
        assert engine.read_physical(start, PAGE_SIZE) == expected
        read = engine.read_linear(Linear((FIRST + page) * PAGE_SIZE), PAGE_SIZE)
        assert read == (expected if read_at is not None else b"")


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
