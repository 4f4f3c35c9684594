"""Whatever is typed at the prompt: it is answered, ends nothing, and the guest does not notice.

Lines are made of every command, alias and habit of other debuggers, with arguments that fit, that do not, and noise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.vmdbg.cli.vmdbg_process import vmdbg
from tests.vmdbg.gdb.guests import sample_guest
from vmdbg.commands import catalog
from vmdbg.engine.stops import Catches
from vmdbg.machine.digest import Digest, digest
from vmdbg.machine.snapshot import Position
from vmdbg.session.habits import HINTS
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session

BEGIN, END = 1_200_000, 3_000_000
HABITS = (
    "i", "info", "dd", "dw", "dq", "da", "ed", "!pte", "!process", ".frame", "?", "monitor", "u /r", "disas /s", "pb",
    "watch r", "info pic", "fpu", "x/", "x/4i", "x/300xg", "x/s", "p/t", "xp /8bx", "display/i", "rax", "mem[rsp]", "",
)  # fmt: skip
WORDS = (
    "rax", "$rsp", "rip", "%rdi", "deposit", "deposit+4", "nothing", "0", "1", "-1", "0x100000", "0xffffffffffffffff",
    "phys:0x1000", "cs:rip", "9:9", "mem[rsp]", "mem[rsp:rsp+64]", "*(int*)$rsp", "50%", "start", "end", "here", "+100",
    "#PF", "#ZZ", "0x24", "cr3", "vector", "port", "in", "wrmsr", "all", "*", "2-5", "if", "if rax == 1", "if 1/0",
    "--json", "--physical", "--off", "--all", "--set", "--limit", "--go", "--clear", "--process", "init", "(", "[", "'",
    '"text{rax:x}"', "'x", "/x", "/20i", "//", "bank.c:69", "a.c:1", "registers", "code", "99999999999999999999",
    "1<<70", "[n for n in range(9)]", "lambda: 1", "_", "L5", ",", "=", "full", "teller",
    "*teller", "teller->name", "current->entry", "(struct teller *)$rdi", "struct teller", "threads[1]", "form",
    "= 5", "\\", "\x00", "\u202e", "--", "-",
)  # fmt: skip
NAMES = st.sampled_from(sorted({*catalog.commands().names(), *HINTS, *HABITS}))
ARGUMENTS = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=4).map(" ".join)
LINES = st.builds("{} {}".format, NAMES, ARGUMENTS) | st.text(max_size=40)
RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
RUNNING = sorted(
    {"stepi", "stepi 20", "si --mode architectural", "nexti", "step", "next", "finish", "until", "continue", "back",
     "reverse-stepi", "reverse-nexti", "reverse-step", "reverse-next", "reverse-finish", "reverse-continue", "forward",
     "goto +100000", "goto start", "goto 70%", "goto 1500000", "last-write rsp --go", "bookmark b", "goto b",
     "break deposit", "tbreak mutex_lock", "catch #PF", "catch interrupt", "uncatch all", "watch rsp", "rwatch rsp",
     "delete", 'logpoint deposit "{rdi:x}"', 'b deposit --commands "registers" "stepi"', "b deposit if rax > 5",
     "b deposit if form > 5 && teller->paid_in", "up", "down", "info locals", "bt full", "frame 1"}
)  # fmt: skip


@pytest.fixture(scope="module")
def looking() -> Iterator[Session]:
    with sample_guest() as guest:
        session = Session(guest.debugger, catalog.commands(), allowed=Effect.NONE)
        guest.debugger.timeline.run(Position(BEGIN).tick)
        yield session


def clear(session: Session) -> None:
    points = session.debugger.points
    for point in [*points.breakpoints.values(), *points.watchpoints.values()]:
        points.remove(point)
    points.set_catches(Catches())
    session._parts.clear()
    session.aliases.clear()
    session.scope.variables.clear()


@settings(max_examples=300, deadline=None, suppress_health_check=RELAXED)
@given(lines=st.lists(LINES, min_size=1, max_size=8))
def test_looking_is_answered_and_changes_nothing(looking: Session, lines: list[str]) -> None:
    before, position = digest(looking.debugger.machine), looking.debugger.position
    for line in lines:
        assert "defect of vmdbg" not in looking.execute(line), line
    assert (digest(looking.debugger.machine), looking.debugger.position) == (before, position)
    assert not looking.debugger.timeline.history.inputs
    clear(looking)


@pytest.fixture(scope="module")
def undisturbed() -> Digest:
    with sample_guest() as guest:
        guest.debugger.timeline.run(Position(END).tick)
        return digest(guest.debugger.machine)


@settings(max_examples=25, deadline=None, suppress_health_check=RELAXED)
@given(lines=st.lists(st.sampled_from(RUNNING) | LINES, min_size=4, max_size=12))
def test_running_in_any_way_leaves_the_same_guest(undisturbed: Digest, lines: list[str]) -> None:
    with sample_guest() as guest:
        session, timeline = Session(guest.debugger, catalog.commands(), allowed=Effect.RUNS), guest.debugger.timeline
        timeline.run(Position(BEGIN).tick)
        for line in lines:
            assert "defect of vmdbg" not in session.execute(line), line
            if session.debugger.position.tick > END:
                timeline.seek(Position(BEGIN))
        clear(session)
        session.run(f"goto {END}")
        assert digest(guest.debugger.machine) == undisturbed


def test_noise_at_a_real_prompt_ends_only_with_its_input() -> None:
    noise = b"\xff\xfe\n\x00\x01\x02\n((((\n'\n\"\nx/99999999999i 0\np 9**9**9\nbreak\nbreak (\ninfo\n!\n.\n?\n/\n\\\n"
    typed = noise * 3 + b"delete all\ndigest --json\n"
    done = vmdbg("run", "--repl", typed=typed)
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
    assert b"defect" not in done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == json.loads(vmdbg("run", "--repl", typed=b"digest --json\n").stdout.splitlines()[-1])
