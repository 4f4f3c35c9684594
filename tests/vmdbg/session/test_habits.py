"""What users of gdb, WinDbg, Bochs and pwndbg type: it works, or they are told what to use."""

from __future__ import annotations

import re

import pytest

from vmdbg.document.document import Document
from vmdbg.session.habits import HINTS
from vmdbg.session.session import Session

SAME = [
    ("i r", "registers"),
    ("i r rax", "registers rax"),
    ("i b", "points"),
    ("info f", "frame"),
    ("info s", "bt"),
    ("info pic", "devices pic"),
    ("info mtree", "devices"),
    ("info line", "symbol"),
    ("monitor tick", "tick"),
    ("x/5i", "x/5i rip"),
    ("x/4i $pc", "x/4i rip"),
    ("u rip L3", "u rip 3"),
    ("disas /r $rip,+12", "u rip --bytes --end rip+12"),
    ("disassemble $rip,$rip+12", "u rip --end rip+12"),
    ("dd rsp L4", "x/4xw rsp"),
    ("dw rsp", "x/64xh rsp"),
    ("dq rsp + 8 L2", "x/2xg rsp + 8"),
    ("dp rsp L2", "x/2a rsp"),
    ("da rsp", "x/s rsp"),
    ("db rsp L20", "hexdump rsp 20"),
    ("dps rsp L4", "telescope rsp 4"),
    ("print-stack 4", "telescope rsp 4"),
    ("stack 4", "telescope rsp 4"),
    ("kb", "bt"),
    ("!pte rip", "pagewalk rip"),
    ("!idt 3", "idt 3"),
    (".echo hello", "echo hello"),
    ("? rax + 1", "print rax + 1"),
    ("?? rax", "print rax"),
    ("rax + 1", "print rax + 1"),
    ("$rip", "print rip"),
    ("mem[rsp]", "print mem[rsp]"),
    ("rax --json", "print --json rax"),
    ("calc 1 + 2", "print 3"),
    ("creg", "registers control"),
    ("sreg", "registers segment"),
    ("dreg", "registers debug"),
    ("fpu", "registers x87"),
    ("sse", "registers sse"),
    ("xp /8bx 0x1000", "x/8bx --physical 0x1000"),
    ("p *(int*)$rsp", "print i32(rsp)"),
    ("p ((unsigned short *)$rsp)[1]", "print u16(rsp + 2)"),
    ("b bank.c:69 if *(int*)$rsp == 5", "b bank.c:69 if *(int*)$rsp == 5"),
]


@pytest.mark.parametrize(("typed", "meant"), SAME, ids=[typed for typed, _ in SAME])
def test_other_debuggers_spelling(session: Session, typed: str, meant: str) -> None:
    answer = session.execute(typed)
    session.run("delete all")
    session._parts.clear()
    assert not answer.startswith("error"), answer
    if typed != meant:
        assert answer == session.execute(meant)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("b 69", "<deposit+0x42>"),
        ("b *69", "breakpoint 1 at 0x45"),
        ("tb 69", "temporary breakpoint"),
        ("pb 0x1000", "physical breakpoint"),
        ("modebp", "mode"),
        ("watch r rsp", "read watchpoint"),
        ("watch w rsp", "watchpoint"),
        ("watch *(long*)$rsp", "watchpoint"),
        ("dprintf deposit,\"deposit({rdi:x})\"", "logpoint"),
        ("until 69", "bank.c:69"),
        ("advance 70", "bank.c:70"),
        ("restart", "multiboot_entry"),
        ("start", "multiboot_entry"),
        ("!tt 50", "tick"),
        ("seek-ticks 5000000", "tick 5000"),
        ("set $kept = 5", "kept is kept"),
    ],
)  # fmt: skip
def test_other_debuggers_ways(session: Session, typed: str, answer: str) -> None:
    session.debugger.points._next = 1
    assert answer in session.execute(typed)


@pytest.mark.parametrize("name", sorted(HINTS.keys() - {"dx", "set"}))
def test_advice_for_what_is_not_here(session: Session, name: str) -> None:
    """`dx` alone is a register; `set` is a command, and says it of what it cannot set."""
    assert HINTS[name] in session.execute(name)
    assert HINTS[name] in session.execute(f"{name} something")


def test_advice_for_names_that_mean_something_alone(session: Session) -> None:
    assert HINTS["dx"] in session.execute("dx @$cursession.TTD")
    assert HINTS["set"] in session.execute("set pagination off")


def test_advice_names_commands_that_exist(session: Session) -> None:
    for advice in HINTS.values():
        for quoted in re.findall("`([^`]+)`", advice):
            if not quoted.startswith(("vmdbg ", "theme", "tui", "quit", "--gdb")):
                first = quoted.split()[0]
                assert session.registry.get(first) or session.registry.get(" ".join(quoted.split()[:2])), quoted


def test_changes_in_other_spellings(live: Session) -> None:
    live.run("goto 100000")
    for typed, expression in [
        ("r rax = 7", "rax == 7"),
        ("set $rbx = 8", "rbx == 8"),
        ("set {int}0x5000 = 9", "phys[0x5000, 4] == 9"),
        ("set *(char *)0x5000 = 10", "phys[0x5000, 1] == 10"),
        ("ed 0x5000 11", "phys[0x5000, 4] == 11"),
        ("ew 0x5000 12 13", "phys[0x5000, 4] == 12 | 13 << 16"),
        ("wrmsr 0xc0000082 0x1234", "lstar == 0x1234"),
    ]:
        answer = live.execute(typed)
        assert live.evaluate(expression), answer


def test_a_beginning_finds_names_before_aliases_and_never_a_change_by_its_alias(session: Session) -> None:
    assert session.registry.find("pag").name == "pagewalk"
    assert session.registry.find("regis").name == "registers"
    assert "there is no command 'memse'" in session.execute("memse rsp 5")
    assert "ambiguous" in session.execute("fi")


def test_an_unknown_kind_of_information_lists_those_known(session: Session) -> None:
    assert "info what? " in session.execute("info")
    assert "did you mean registers" in session.execute("info regsters")
    assert "there are " in session.execute("info zzzzz")
    assert isinstance(session.run("info breakpoints"), Document)
