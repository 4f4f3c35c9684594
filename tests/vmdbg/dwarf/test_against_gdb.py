"""Functions, lines and variables of every frame, against gdb at the same instants of the same program."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.gdbstub.clients import debian_gdb
from tests.guests.build import require
from tests.vmdbg.conftest import open_session
from tests.vmdbg.gdb.guests import gdb, guest
from vmdbg.c.content import NotAvailableError
from vmdbg.c.types import AGGREGATES, Kind
from vmdbg.c.values import Value
from vmdbg.errors import VmdbgError
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame

HERE = Path(__file__).parent
MAX_ELEMENTS = 64
STOPS = 25
COMPILERS = ("gcc", "clang")
OPTIONS = (
    "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static", "-fno-stack-protector", "-mno-red-zone",
    "-fasynchronous-unwind-tables", "-Wl,-Ttext=0x200000", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
    "-Wno-unused-parameter",
)  # fmt: skip


def built(directory: Path, compiler: str, *options: str) -> Path:
    """The program, compiled. Skips the test without the compiler."""
    if compiler == "clang" and shutil.which("clang") is None:
        pytest.skip("clang is not installed (on Debian: apt-get install clang)")
    source = directory / "program.c"
    source.write_text((HERE / "program.c").read_text())
    target = directory / "program"
    command = [require(compiler), "-g", *OPTIONS, *options, "-o", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode and "-m32" in options:
        pytest.skip(f"{compiler} cannot compile for 32 bits here: {done.stderr.splitlines()[-1:]}")
    assert done.returncode == 0, done.stderr
    return target


def plain(value: Value) -> Any:
    """As gdb_frames.py has it."""
    type_ = value.type_.strip()
    try:
        if type_.kind in AGGREGATES:
            return [plain(value.at_(field)) for _, field in type_.fields]
        if type_.kind is Kind.ARRAY and not type_.count and value.content_ is not None:
            return f"<{value.content_.why}>"
        if type_.kind is Kind.ARRAY:
            return [plain(value[index]) for index in range(min(type_.count, MAX_ELEMENTS + 1))]
        if type_.kind is Kind.FLOAT:
            return repr(float(value))
        return int(value)
    except (NotAvailableError, VmdbgError) as error:
        return f"<{error}>"


def our_frames(session: Session) -> list[Any]:
    return [our_frame(session, frame) for frame in session.frames.all()]


def our_frame(session: Session, frame: SourceFrame) -> Any:
    known = [*session.frames.locals(frame), *session.frames.parameters(frame)]
    line = (frame.file.rpartition("/")[2], frame.line)
    values = [(name, plain(value)) for name, value in known]
    return [frame.function, frame.physical.pc, *line, values, is_at_entry(frame)]


def is_at_entry(frame: SourceFrame) -> bool:
    """Where we take arguments from registers, and gdb from a frame that is not made yet."""
    low = frame.debug.function.attributes.get("DW_AT_low_pc") if frame.debug is not None and frame.scope else None
    return low is not None and frame.debug is not None and frame.debug.pc == low.value


class Comparison:
    """What was the same, what only one side knew, and what was different."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.missed: list[str] = []

    def frames(self, ours: list[Any], theirs: list[Any]) -> None:
        theirs = [frame for frame in theirs if frame[4] is not None]
        ours = [frame for frame in ours if frame[0]]
        if [frame[:4] for frame in ours] != [frame[:4] for frame in theirs]:
            self.wrong.append(f"frames\n  {[frame[:4] for frame in ours]}\n  {[frame[:4] for frame in theirs]}")
            return
        for mine, other in zip(ours, theirs, strict=True):
            self.counts["frames"] += 1
            self.variables(mine, other)

    def variables(self, mine: Any, other: Any) -> None:
        place = f"{mine[0]} at {mine[1]:#x}, line {mine[3]}"
        ours, theirs = innermost(mine[4]), innermost(other[4])
        if ours.keys() != theirs.keys():
            self.wrong.append(f"{place}: {[*ours]} is {[*theirs]} for gdb")
            return
        for name, value in () if mine[5] else ours.items():
            self.value(f"{place}: {name}", value, theirs[name])

    def value(self, place: str, value: Any, known: Any) -> None:
        if isinstance(value, list) and isinstance(known, list) and len(value) == len(known):
            for index, (one, other) in enumerate(zip(value, known, strict=True)):
                self.value(f"{place}[{index}]", one, other)
        elif isinstance(value, list) and is_unknown(known):
            self.counts["unknown to gdb"] += 1
        elif isinstance(value, list) and isinstance(known, list) and is_product(value):
            self.counts["length unknown to gdb"] += 1
        elif is_unknown(value) or is_unknown(known):
            kind = "unknown to both" if is_unknown(value) and is_unknown(known) else left(value, known)
            self.counts[kind] += 1
            if kind == "missed":
                self.missed.append(f"{place}: {value} is {known} for gdb")
        elif value == known:
            self.counts["same"] += 1
        else:
            self.wrong.append(f"{place}: {value} is {known} for gdb")


def innermost(variables: list[Any]) -> dict[str, Any]:
    """Of variables of the same name, the one that the name means: both list it first."""
    return dict(reversed(variables))


def left(value: Any, known: Any) -> str:
    """Why a value that gdb shows is left, where gdb is wrong at times.

    What is in a frame that is still being made; registers that a call may have changed; an array before its length has
    been computed, or whose length is optimized out; and parts of a struct or text that are nowhere, which gdb gives
    as 0.
    """
    if "not saved" in str(value) or "length" in str(value) or "not there yet" in str(value):
        return "not saved"
    if "optimized out" in str(value) and (known in (0, [0]) or isinstance(known, list)):
        return "0 for gdb"
    return "missed"


def is_product(values: list[Any]) -> bool:
    """The array of `lengths`: each element is its index times the length, however long gdb takes it to be."""
    return [one for one in values if one] == [index * len(values) for index in range(len(values)) if values[index]]


def is_unknown(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("<")


def compare(program: Path, seed: int, stops: int = STOPS) -> Comparison:
    chance = random.Random(seed)
    steps = [chance.randrange(1, 120) for _ in range(stops)]
    mine = []
    with guest(program.read_bytes()) as made:
        session = open_session(made.debugger)
        session.run("tbreak work")
        session.run("continue")
        for number in steps:
            session.run(f"stepi {number}")
            mine.append(our_frames(session))
    with guest(program.read_bytes()) as made:
        commands = ("break *work", "continue", "delete", f"source {HERE / 'gdb_frames.py'}")
        output = gdb(debian_gdb(), made.debugger, *commands, f"stops {' '.join(map(str, steps))}", file=program)
    theirs = [json.loads(line[5:]) for line in output.splitlines() if line.startswith("STOP ")]
    assert len(theirs) == stops, output
    comparison = Comparison()
    for ours, other in zip(mine, theirs, strict=True):
        comparison.frames(ours, other)
    return comparison


@pytest.mark.parametrize("dwarf", [4, 5])
@pytest.mark.parametrize("level", ["-O0", "-O2"])
@pytest.mark.parametrize("compiler", COMPILERS)
def test_a_program_of_64_bits(tmp_path: Path, compiler: str, level: str, dwarf: int) -> None:
    program = built(tmp_path, compiler, level, f"-gdwarf-{dwarf}", "-DFLOATS")
    found = compare(program, seed=dwarf)
    assert not found.wrong, "\n".join(found.wrong[:8])
    assert found.counts["same"] > 100
    assert not found.missed, "\n".join(found.missed[:20])
    assert found.counts["not saved"] <= found.counts["same"] // 4


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_a_program_of_32_bits(tmp_path: Path, level: str) -> None:
    found = compare(built(tmp_path, "gcc", level, "-gdwarf-5", "-m32"), seed=21)
    assert not found.wrong, "\n".join(found.wrong[:8])
    assert found.counts["same"] > 100
    assert not found.missed, "\n".join(found.missed[:20])


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_a_line_between_functions_leads_into_none_of_them(tmp_path: Path, level: str) -> None:
    program = built(tmp_path, "gcc", level, "-gdwarf-5")
    source = ["", *(HERE / "program.c").read_text().splitlines()]
    between = [number for number, line in enumerate(source) if number and not line and source[number - 1] in ("}", "")]
    with guest(program.read_bytes()) as made:
        session = open_session(made.debugger)
        session.sources.add(program)
        lines = next(file.lines for file in session.sources.files if file.path == program)
        coded = [number for number in range(1, len(source)) if lines.starts_of("program.c", number)]
        assert [number for number in between if session.find_line("program.c", number) is not None] == []
        assert [number for number in coded if session.find_line("program.c", number) is None] == []
    assert len(between) > 10
    assert len(coded) > 40


PLACES = """python
import json
found = {}
for line in range(1, LINES + 1):
    try:
        known = gdb.decode_line(f"program.c:{line}")[1] or ()
    except gdb.error:
        known = ()
    found[line] = [one.pc for one in known if one.line == line and one.pc]
print("PLACES", json.dumps(found))
end
"""


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("level", ["-O0", "-Og", "-O2", "-Os"])
def test_a_line_is_found_where_gdb_finds_it_though_all_its_code_is_another_lines_too(
    tmp_path: Path, compiler: str, level: str
) -> None:
    program = built(tmp_path, compiler, level, "-gdwarf-5")
    count = len((HERE / "program.c").read_text().splitlines())
    script = tmp_path / "places"
    script.write_text(PLACES.replace("LINES", str(count)))
    said = subprocess.run(
        [*debian_gdb(), "-nx", "-q", "-batch", "-x", str(script), str(program)],
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(said.stdout.partition("PLACES ")[2])
    with guest(program.read_bytes()) as made:
        session = open_session(made.debugger)
        session.sources.add(program)
        lines = next(file.lines for file in session.sources.files if file.path == program)
        for line, places in theirs.items():
            ours = session.sources.find_line("program.c", int(line))
            if places:
                assert ours is not None, line
                assert (ours.line, ours.start) == (int(line), min(places)), (line, places)
                assert set(places) <= set(lines.starts_of("program.c", int(line))), (line, places)
    assert sum(1 for places in theirs.values() if places) > 40
