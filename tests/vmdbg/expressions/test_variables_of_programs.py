"""Variables outside of functions in comparisons and sums: what gdb has for the same words and the same program."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gdbstub.clients import debian_gdb
from tests.guests.build import require
from tests.vmdbg.conftest import open_session
from tests.vmdbg.gdb.guests import guest
from vmdbg.document.plain import render_plain
from vmdbg.errors import VmdbgError
from vmdbg.session.session import Session

SOURCE = """
signed char small = -3; short narrow = -300; int whole = 41; long wide = -5000000000; unsigned positive = 77;
float single = 0.1f; double fraction = -2.5; long double extended = 1.25L; double zero = -0.0;
enum sign { MINUS = -1, PLUS = 1 } sign = MINUS; _Bool yes = 1;
struct node { struct node *next; int key; int low : 3; } second = { 0, 12, -2 }, first = { &second, 9, 3 };
struct node *head = &first, *nobody = 0;
int table[4] = { 4, 3, 2, 1 };
char text[] = "some text";
void _start(void) { for (;;) asm volatile("hlt"); }
"""
OPTIONS = (
    "-g", "-O0", "-ffreestanding", "-fno-pic", "-no-pie", "-nostdlib", "-static", "-Wl,-Ttext=0x200000",
    "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
)  # fmt: skip
NUMBERS = (
    "small", "narrow", "whole", "wide", "single", "fraction", "extended", "zero", "sign", "head->key",
    "head->next->low", "table[2]", "table[yes]", "first.low", "(*head).key", "(int)fraction", "(long)extended",
)  # fmt: skip
CONSTANTS = ("0", "1", "-1", "-3", "41", "-300", "0.25", "-2.5", "3")
FALSE_OR_TRUE = {"False": "0", "True": "1"}


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("variables")
    (directory / "program.c").write_text(SOURCE)
    target = directory / "program"
    subprocess.run([require("gcc"), *OPTIONS, "-o", str(target), str(directory / "program.c")], check=True)
    return target


@pytest.fixture(scope="module")
def stopped(program: Path) -> Iterator[Session]:
    with guest(program.read_bytes()) as made:
        session = open_session(made.debugger)
        session.sources.add(program)
        yield session


def expressions(seed: int, count: int) -> list[str]:
    chance = random.Random(seed)

    def number(depth: int) -> str:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(NUMBERS if chance.random() < 0.7 else CONSTANTS)
        return f"({number(depth - 1)} {chance.choice('+-*')} {number(depth - 1)})"

    def test(depth: int) -> str:
        if depth == 0 or chance.random() < 0.4:
            compare = chance.choice(["==", "!=", "<", "<=", ">", ">="])
            return f"{number(2)} {compare} {number(2)}"
        joined = chance.choice(["&&", "||"])
        return f"({test(depth - 1)}) {joined} !({test(depth - 1)})"

    return [test(2) for _ in range(count)]


def gdb_says(program: Path, words: list[str]) -> list[str]:
    commands = [part for one in words for part in ("-ex", f"output ({one}) ? 1 : 0", "-ex", "echo \\n")]
    done = subprocess.run(
        [*debian_gdb(), "-nx", "-q", "-batch", *commands, str(program)], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_conditions_hold_where_gdb_has_them_hold(program: Path, stopped: Session) -> None:
    words = expressions(1, 300)
    theirs = gdb_says(program, words)
    ours = [str(int(bool(stopped.value(one)))) for one in words]
    assert len(theirs) == len(words)
    assert set(theirs) == {"0", "1"}
    assert [*zip(words, ours, strict=True)] == [*zip(words, theirs, strict=True)]


@pytest.mark.parametrize("words", [*NUMBERS, "yes"])
def test_a_name_alone_is_a_condition_of_what_it_holds(program: Path, stopped: Session, words: str) -> None:
    assert str(int(bool(stopped.value(words)))) == gdb_says(program, [words])[0]


@pytest.mark.parametrize(
    ("condition", "holds"),
    [("nobody", False), ("head", True), ("head == nobody", False), ("nobody == 0", True), ("head == first", True),
     ("text == 'some text'", True), ("rip == _start", True), ("head->next == second", True), ("zero", False)],
)  # fmt: skip
def test_pointers_are_what_they_hold_and_structs_and_functions_where_they_lie(
    stopped: Session, condition: str, holds: bool
) -> None:
    assert bool(stopped.value(condition)) is holds


def test_a_breakpoint_s_condition_and_a_logpoint_see_what_variables_hold(stopped: Session) -> None:
    assert "never" not in str(stopped.run("break _start if whole == 42"))
    stopped.run("delete all")
    words = render_plain(stopped.run('print "{whole} {fraction:.2f} {head->key}"'))
    assert words.strip() == "41 -2.50 9"


def test_in_a_place_a_name_is_an_address(stopped: Session) -> None:
    whole = stopped.symbols.find("whole")
    assert whole is not None
    assert stopped.linear("whole") == whole
    assert stopped.linear("whole + 0x10") == whole + 0x10
    assert stopped.integer("u32(whole)") == 41
    assert stopped.integer("mem[whole, 4]") == 41
    assert stopped.linear("head") == stopped.symbols.find("head")


def test_what_a_pointer_points_to_is_there_for_looking_and_for_watching(stopped: Session) -> None:
    assert ".key = (int)9" in render_plain(stopped.run("print *head"))
    assert stopped.value("*head").member_("key") == 9  # type: ignore[union-attr]  # a struct
    with pytest.raises(VmdbgError, match="fraction"):
        stopped.linear("(double)fraction")
