"""What the engine does of a VGA's memory and ports is what the device would have done, whoever looks."""

from __future__ import annotations

import functools
import random
import struct
from collections.abc import Callable, Sequence
from ctypes import Structure, c_uint32
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.display import vga_ports as ports
from devices.display.planes import Planes
from devices.display.vga_registers import VgaRegisters
from devices.wiring.bus import Access as BusAccess
from tests.determinism.debugging import Action, actions, debugged_to
from tests.determinism.interrupt_scripts import WAYS, Step, WithoutHelp
from tests.determinism.machines import run_to, running
from tests.guests.build import assemble
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.engine.exits import Access
from vmdbg.engine.stops import Watchpoint
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.errors import EngineError
from vmdbg.machine.config import Chipset, Display, MachineConfig
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.machine import EngineFactory, Machine
from vmdbg.machine.power_on import power_on
from vmdbg.units import Physical, Tick

MEMORY = 4 << 20
SCRIPT, LINEAR, DATA, BAR0 = Physical(0x300000), 0x4000_0000, 0x280000, 0xE000_0000
WINDOW = range(0xA0000, 0xC0000)
END, OUT8, OUT16, IN8, IN16, LOAD8, LOAD16, LOAD32, LOAD64, STORE8, STORE16, STORE32, STORE64 = range(13)
EXCHANGE, ADD, COMPARE64, COMPARE128, COPY, FILL, SAVE, LOAD128, STORE128, AGAIN, DEBUG, POLL = range(13, 25)
SEQUENCER, GRAPHICS, CRTC, MISC, VBE, ATTRIBUTES, STATUS = 0x3C4, 0x3CE, 0x3D4, 0x3C2, 0x1CE, 0x3C0, 0x3DA
DAC_READ, DAC_WRITE, DAC_DATA = 0x3C7, 0x3C8, 0x3C9
STEPS, MARKS = 400, 5
TEXT: list[Step] = []
PLANAR: list[Step] = [(OUT16, GRAPHICS, 0x0005, 0), (OUT8, GRAPHICS, 6, 0), (OUT8, GRAPHICS + 1, 5, 0)]


def _registers(chance: random.Random) -> list[Step]:
    value = chance.choice((0, 1, 8, 0x0F, 0xFF, chance.randrange(256)))
    match chance.randrange(20):
        case 0:
            return [(OUT16, GRAPHICS, 6 | chance.randrange(16) << 8, 0)]
        case 1:
            return [(OUT8, MISC, 0x60 | chance.choice((7, 7, 0xB, 6, 5)), 0)]
        case 2:
            return [(OUT16, VBE, chance.choice((3, 4, 5)), 0), (OUT16, VBE + 1, chance.choice((0, 4, 8, 0x41, 3)), 0)]
        case 3:
            return [(OUT16, SEQUENCER, 4 | chance.choice((2, 6, 6, 0x0E)) << 8, 0)]
        case 4 | 5:
            port = chance.choice((SEQUENCER, GRAPHICS))
            return [(OUT8, port, value, 0), (IN8, SEQUENCER + chance.randrange(12), 0, 0)]
        case 6:
            return [(OUT8, chance.choice((SEQUENCER + 1, GRAPHICS + 1, ATTRIBUTES)), value, 0), (IN8, STATUS, 0, 0)]
        case 7:
            return [(IN16, SEQUENCER + chance.randrange(-1, 12), 0, 0)]
        case 8:
            port = chance.choice((SEQUENCER, GRAPHICS)) + chance.choice((-1, 0, 1))
            return [(OUT16, port, chance.randrange(1 << 16), 0)]
        case 9 | 10 | 11:
            return [(OUT16, SEQUENCER, 2 | chance.choice((value, 0x0F)) << 8, 0)]
        case 12:
            return [(POLL, chance.choice((STATUS, STATUS, STATUS - 0x20)), 0, chance.choice((1, 5, 400)))]
        case 13 | 14:
            return [
                (OUT16, CRTC - chance.choice((0, 0, 0x20)), chance.randrange(26) | value << 8, 0),
                (IN16, CRTC, 0, 0),
            ]
        case 15:
            return [
                (OUT8, chance.choice((DAC_READ, DAC_WRITE)), value, 0),
                *((chance.choice((OUT8, OUT8, IN8)), DAC_DATA, chance.randrange(256), 0) for _ in range(5)),
                (OUT16, chance.choice((DAC_READ, DAC_WRITE, DAC_DATA)), chance.randrange(1 << 16), 0),
            ]
        case _:
            return [(OUT16, GRAPHICS, chance.choice((0, 1, 2, 3, 3, 4, 5, 5, 5, 7, 8)) | value << 8, 0)]


def _access(chance: random.Random) -> Step:
    where = chance.choice((0xA0000, 0xA0FF8, 0xB0000, 0xB8000, 0xB8000, 0xBFFF0, 0x9FFF0)) + chance.randrange(24)
    value, few = chance.getrandbits(32), chance.randrange(40)
    match chance.randrange(12):
        case 0:
            return chance.choice((EXCHANGE, ADD, COMPARE64)), where, chance.choice((0, value)), value
        case 1:
            return COMPARE128, where & ~15, chance.choice((0, value)), value
        case 2:
            return COPY, where, chance.choice((where + few, DATA + few, 0xA0000 + few)), few
        case 3:
            return COPY, DATA + few, where, few
        case 4:
            return FILL, where, value, few
        case 5:
            return SAVE, min(where & ~15, 0xBFE00), value, 0
        case 6:
            return chance.choice((LOAD32, STORE32)), LINEAR + chance.randrange(0x3FFF8), value, 0
        case 7:
            return chance.choice((LOAD128, STORE128)), where, value, 0
        case 8 | 9:
            return chance.choice((LOAD8, LOAD16, LOAD32, LOAD64)), where, 0, 0
        case _:
            return chance.choice((STORE8, STORE16, STORE32, STORE64)), where, value, 0


def _script(seed: int) -> list[Step]:
    """Twice the same, so that what was translated is run again."""
    chance = random.Random(seed)
    found = [*chance.choice((TEXT, PLANAR))]
    for _ in range(STEPS):
        kind = chance.random()
        if kind < 0.02:
            found.append((DEBUG, chance.choice(WINDOW), chance.choice((0, 0x000D0002, 0x00010002, 0x000F0002)), 0))
        else:
            found += _registers(chance) if kind < 0.4 else [_access(chance)]
    return [*found, (AGAIN, 0, 0, 1)]


def _machine(
    script: Sequence[Step], make_engine: EngineFactory = UnicornEngine, display: Display = Display.STD
) -> Machine:
    config = MachineConfig(MEMORY, chipset=Chipset.I440FX, display=display)
    machine = Machine(config, make_engine)
    image = assemble((Path(__file__).parent / "planes.asm").read_text())
    power_on(machine, boot_image(BootOptions(memory=MEMORY, kernel=InputFile("guest", memoryview(image)))))
    machine.engine.write_ram(SCRIPT, b"".join(struct.pack("<4I", *step) for step in script) + bytes(16))
    return machine


@functools.cache
def _end(seed: int) -> int:
    with running(lambda: _machine(_script(seed), WithoutHelp)) as machine:
        run_to(machine, 100_000_000)
        assert machine.ending is not None
        return machine.clock


def _digests(seed: int, make_engine: EngineFactory, run: Callable[[Machine, int], object]) -> list[Digest]:
    """On the way."""
    found, end = [], _end(seed)
    with running(lambda: _machine(_script(seed), make_engine)) as machine:
        for part in range(1, MARKS):
            run(machine, end * part // MARKS)
            found.append(digest(machine))
    return found


def watched(machine: Machine, tick: int) -> None:
    places = [Watchpoint(1, 0xB8004, 3, frozenset(Access)), Watchpoint(2, DATA + 4, 8, frozenset({Access.WRITE}))]
    physical = [
        Watchpoint(3, 0xA1000, 8, frozenset(Access), True),
        Watchpoint(4, BAR0 + 8, 64, frozenset(Access), True),
    ]
    machine.engine.set_watchpoints([*places, *physical])
    run_to(machine, tick)


def traced(machine: Machine, tick: int) -> None:
    """Now somebody listens, now not."""
    for end in ((machine.clock + tick) // 2, tick):
        machine.pc.memory.tracer = None if end == tick else lambda _access: None
        run_to(machine, end)


@pytest.mark.parametrize("seed", range(4))
def test_any_use_is_as_the_device_has_it(seed: int) -> None:
    expected = _digests(seed, WithoutHelp, run_to)
    assert all(one != other for one, other in pairwise(expected))
    for run in (*WAYS, watched, traced):
        assert _digests(seed, UnicornEngine, run) == expected, run


def test_the_beam_in_text_mode_is_where_the_device_has_it() -> None:
    """While it is polled, with attributes written in between."""
    chance = random.Random(9)
    script = [(POLL, STATUS, 0, chance.choice((1, 30, 3000))) for _ in range(40)]
    for at in sorted(chance.sample(range(len(script)), 15), reverse=True):
        script[at:at] = [(OUT8, ATTRIBUTES, 0x20, 0)] * chance.randrange(1, 3) + [(IN8, ATTRIBUTES, 0, 0)]

    def states(make_engine: EngineFactory, run: Callable[[Machine, int], object]) -> list[Digest]:
        found = []
        with running(lambda: _machine(script, make_engine, Display.TEXT)) as machine:
            for tick in range(100_000, 700_000, 100_000):
                run(machine, tick)
                found.append(digest(machine))
        return found

    expected = states(WithoutHelp, run_to)
    assert all(states(UnicornEngine, run) == expected for run in WAYS)


def _hits(make_engine: EngineFactory) -> list[tuple[object, ...]]:
    """What a watchpoint on the window sees, to the end."""
    found: list[tuple[object, ...]] = []
    with running(lambda: _machine(_script(1), make_engine)) as machine:
        machine.engine.set_watchpoints([Watchpoint(1, 0xB8000, 16, frozenset(Access))])
        while machine.ending is None:
            machine.run(Tick(machine.clock + 10_000_000), over_breakpoint=True)
            found.append((machine.clock, *machine.engine.watch_hits))
    return found


def test_a_watchpoint_on_the_window_sees_the_same() -> None:
    expected = _hits(WithoutHelp)
    assert len(expected) > 20
    assert _hits(UnicornEngine) == expected


def _heard(make_engine: EngineFactory) -> list[BusAccess]:
    found: list[BusAccess] = []
    with running(lambda: _machine(_script(1), make_engine)) as machine:
        machine.pc.memory.tracer = machine.pc.ports.tracer = found.append
        run_to(machine, _end(1))
    return found


def test_who_listens_hears_all_accesses() -> None:
    heard = _heard(UnicornEngine)
    assert sum(access.address in WINDOW for access in heard) > 300
    assert heard == _heard(WithoutHelp)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_debugger_script_shows(data: st.DataObject) -> None:
    expected = _digests(2, WithoutHelp, run_to)
    code = st.integers(0x100000, 0x102000) | st.integers(WINDOW.start, WINDOW.stop)
    script: list[Action] = data.draw(actions(code, 0, _end(2) // 10))
    with running(lambda: _machine(_script(2))) as machine:
        debugged_to(machine, _end(2) * 3 // MARKS, script)
        assert digest(machine) == expected[2]


def test_drawing_asks_no_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text, and planes by bit mask."""
    asked: list[int] = []
    plot: list[Step] = [(OUT16, GRAPHICS, 0x8008, 0), (LOAD8, 0xA0010, 0, 0), (STORE8, 0xA0010, 3, 0)]
    text: list[Step] = [(STORE32, 0xB8000 + 4 * n, n, 0) for n in range(100)]
    for part, name in ((Planes, "read"), (Planes, "write"), (VgaRegisters, "read"), (VgaRegisters, "write")):
        monkeypatch.setattr(part, name, _heeded(asked, getattr(part, name)))
    with running(lambda: _machine([*text, *PLANAR, *plot * 100])) as machine:
        run_to(machine, 1_000_000)
        assert machine.ending is not None
    assert asked == [ports.GRAPHICS_DATA], "but for what moves the window"


def _heeded(asked: list[int], function: Callable[..., int | None]) -> Callable[..., int | None]:
    """It, and its first argument kept."""

    def heeded(self: object, first: int, *others: int) -> int | None:
        asked.append(first)
        return function(self, first, *others)

    return heeded


class OtherVga(Structure):
    _fields_ = (("latch", c_uint32),)


def test_registers_of_another_layout_are_refused() -> None:
    with running(lambda: _machine([])) as machine, pytest.raises(EngineError, match="no VGA of 4 bytes"):
        machine.engine.share_vga(OtherVga(), 0, 0x1000)
