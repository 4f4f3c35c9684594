"""Variables outside of functions in comparisons and sums, and assigned to: what gdb, or the compiler, has for the same
words and the same program.
"""

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
from vmdbg.c.values import Value
from vmdbg.document.plain import render_plain
from vmdbg.errors import VmdbgError
from vmdbg.expressions.values import whole
from vmdbg.session.session import Session

SOURCE = """
signed char small = -3; short narrow = -300; int whole = 41; long wide = -5000000000; unsigned positive = 77;
float single = 0.1f; double fraction = -2.5; long double extended = 1.25L; double zero = -0.0;
enum sign { MINUS = -1, PLUS = 1 } sign = MINUS; _Bool yes = 1;
struct node { struct node *next; int key; int low : 3; } second = { 0, 12, -2 }, first = { &second, 9, 3 };
struct node *head = &first, *nobody = 0;
int table[4] = { 4, 3, 2, 1 };
char text[] = "some text";
typedef unsigned int u32; typedef short tight_t; typedef struct node item; u32 word = 7; tight_t tight = -7;
item *one = &first;
enum paint { RED = -4, GREEN = 5, BLUE } paint = GREEN; enum { LAST = -9, FIRST = 100, NEXT }; int unnamed = NEXT;
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


ASSIGNED = (
    "small", "narrow", "whole", "wide", "positive", "single", "fraction", "sign", "yes", "first.key", "table[1]",
    "text[2]", "head->next->key",
)  # fmt: skip
VALUES = (
    "small", "narrow", "whole", "wide", "single", "fraction", "zero", "sign", "yes", "head->key", "table[2]",
    "first.low", "0", "-1", "77", "-300", "0.25", "2.75", "-2.5", "1e20", "'c'", "whole * 3", "-fraction",
)  # fmt: skip


def stored(program: Path) -> Iterator[tuple[str, str, str, bool]]:
    """What a compiler has an assignment store, for every pair: target, value, bytes, whether the value fits."""
    shown = [
        f"""{{ __typeof__({target}) was = {target}; {target} = {value}; long double now = {target}, meant = {value};
        for (unsigned i = 0; i < sizeof was; i++) printf("%02x", ((unsigned char *)&{target})[i]);
        puts(__builtin_types_compatible_p(__typeof__(was), _Bool) || fabsl(now - meant) < 1 ? " 1" : " 0");
        {target} = was; }}"""
        for target in ASSIGNED
        for value in VALUES
    ]
    text = SOURCE.replace('void _start(void) { for (;;) asm volatile("hlt"); }', "")
    source = program.with_name("assigned.c")
    source.write_text(f"#include <stdio.h>\n#include <math.h>\n{text}int main(void) {{ {' '.join(shown)} }}")
    subprocess.run([require("gcc"), "-w", "-O0", source, "-o", source.with_suffix(""), "-lm"], check=True)
    lines = subprocess.run([source.with_suffix("")], capture_output=True, text=True, check=True).stdout.splitlines()
    pairs = [(target, value) for target in ASSIGNED for value in VALUES]
    for (target, value), line in zip(pairs, lines, strict=True):
        data, fits = line.split()
        yield target, value, data, fits == "1"


def test_assignments_store_what_a_compiler_has_them_store(program: Path, stopped: Session) -> None:
    refused = done = 0
    for target, value, data, fits in stored(program):
        found = stopped.value(target)
        assert isinstance(found, Value)
        before = found.bytes_()
        said = stopped.execute(f"set {target} = {value}")
        if said.startswith("error"):
            assert not fits, (target, value, said)
            assert found.bytes_() == before
            refused += 1
            continue
        if fits:
            assert found.bytes_().hex() == data, (target, value)
            done += 1
        stopped.run("undo")
        assert found.bytes_() == before
    assert done > 150
    assert refused > 20


def test_text_is_for_arrays_of_characters_and_names_for_enums_and_truths(stopped: Session) -> None:
    for line, shown in (
        ('set text = "other"', 'print text == "other"'),
        ("set sign = PLUS", "print sign == 1"),
        ("set yes = false", "print yes == 0"),
        ("set head = &second", "print head->key == 12"),
    ):
        assert "error" not in stopped.execute(line)
        assert stopped.execute(shown).startswith("True")
    for line in (
        'set text = "longer than it was"',
        'set head = "x"',
        'set whole = "words"',
        "set first = 5",
        "set table = 5",
        "set first.low = 1",
        "set extended = 1.5",
        'set mem[rsp, 4] = "words"',
    ):
        assert stopped.execute(line).startswith("error"), line
    stopped.run("undo 4")
    for words in ("text == 'some text'", "sign == -1", "yes == 1", "head == first"):
        assert stopped.value(words), words


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


SIGNED = (
    "small",
    "narrow",
    "whole",
    "tight",
    "sign",
    "head->key",
    "head->next->low",
    "table[2]",
    "*table",
    "yes",
    "*text",
)
MARKED = (
    "1L",
    "0x10ll",
    "010",
    "3",
    "'a'",
    "'\\n'",
    "'\\377'",
    "RED",
    "GREEN",
    "BLUE",
    "FIRST",
    "PLUS",
    "-2",
    "0x7f",
    "'\\0'",
)
TYPES = ("int", "long", "short", "char", "unsigned char", "signed char", "tight_t", "unsigned short", "long long")
SIZED = (
    "whole", "wide", "table", "text", "first", "head", "*head", "paint", "int", "u32", "tight_t", "item", "int *",
    "struct node", "unsigned long", "head->key", "table[0]", "item *", "single", "enum paint", "text[0]",
)  # fmt: skip


class Words:
    """What C promises within the numbers that are met here: nothing overflows, nothing is unsigned."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def operand(self, depth: int) -> str:
        pick = self._chance.choice
        match self._chance.randrange(6 if depth else 3):
            case 0:
                return pick(MARKED)
            case 1 | 2:
                return pick(SIGNED)
            case 3:
                return f"({pick(TYPES)}){pick('-~!+ ')} {self.operand(0)}"
            case 4:
                return f"(int)sizeof({pick(SIZED)})"
        return f"({self.whole(depth - 1)})"

    def whole(self, depth: int) -> str:
        if not depth:
            return self.operand(0)
        pick, (one, other, third) = self._chance.choice, (self.operand(depth - 1) for _ in range(3))
        sum_ = "-" if "'" in one and "'" in other else pick("+-*")
        forms = (
            lambda: f"{one} {sum_} {other}",
            lambda: f"{one} {pick('&|^')} {other}",
            lambda: f"{one} >> {pick(['1u', '2UL', '(u32)3'])}",
            lambda: f"{pick('-~!')} {one}",
            lambda: f"{one} {pick(['==', '!=', '<', '<=', '>', '>='])} {other}",
            lambda: f"{one} {pick(['&&', '||'])} !{other}",
            lambda: f"!{one} == {other}",
            lambda: f"{one} ? {other} : {third} ? 1 : {self.operand(0)}",
            lambda: f"({pick(TYPES)})({self.whole(depth - 1)})",
        )
        return pick(forms)()


def test_what_c_computes_is_what_gdb_computes(program: Path, stopped: Session) -> None:
    made = Words(2)
    words = [made.whole(3) for _ in range(300)]
    commands = [part for one in words for part in ("-ex", f"output/d (long)({one})", "-ex", "echo \\n")]
    done = subprocess.run(
        [*debian_gdb(), "-nx", "-q", "-batch", *commands, str(program)], capture_output=True, text=True, check=True
    )
    ours = [str(whole(stopped.value(f"0 + ({one})"))) for one in words]
    theirs = done.stdout.splitlines()
    refused = theirs.count("")  # which gdb does to sums of _Bool
    assert refused < 5
    assert [one for one in zip(words, ours, theirs, strict=True) if one[1] != one[2] and one[2]] == []
    assert len(set(ours)) > 50


@pytest.mark.parametrize(
    ("words", "value"),
    [("single == 0.1f", True), ("single == 0.1", False), ("paint == GREEN", True), ("unnamed == NEXT", True),
     ("(u32)-1 == 0xffffffff", True), ("~0u == 0xffffffff", True), ("word%4", 3), ("(float)0.1 == single", True),
     ("(double)fraction", -2.5), ("text[0] == 's' && text[1] == 'o'", True), ("text == 'some text'", True),
     ("*text >= 'a'", True), ("u8(text) == 's'", True), ("sizeof(paint) == sizeof(enum paint)", True)],
)  # fmt: skip
def test_what_hands_used_to_c_type(stopped: Session, words: str, value: float) -> None:
    assert stopped.value(words) == value


def test_an_enumerator_is_shown_by_its_name(stopped: Session) -> None:
    assert "GREEN" in render_plain(stopped.run("print GREEN"))
    assert stopped.compile("paint == NOBODYS").unknown == ("NOBODYS",)


def test_setting_takes_what_variables_hold_and_keeps_it(stopped: Session) -> None:
    before = stopped.registers.read("rax")
    stopped.run("set rax = whole")
    assert stopped.registers.read("rax") == 41
    stopped.run("set rax = table")
    assert stopped.registers.read("rax") == stopped.symbols.find("table")
    stopped.run("set $old = whole")
    stopped.run("set whole = word + 1")
    assert stopped.value("whole == 8 && $old == 41")
    stopped.run("set whole = 41")
    stopped.run(f"set rax = {before}")


def test_a_template_takes_colons_of_expressions_for_theirs(stopped: Session) -> None:
    words = render_plain(
        stopped.run('print "{whole ? 3 : 4} {whole != 41 ? 3 : 4:x} {mem[table:table+2]} {{}} {255:x}"')
    )
    assert words.strip() == r"3 4 b'\x04\x00' {} ff"
    assert render_plain(stopped.run("print whole ? 3 : 4")).strip() == "3"
