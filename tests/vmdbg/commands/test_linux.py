"""The commands of a Linux guest, in a session on our own machine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vmdbg.os.own_machine import OwnGuest
from vmdbg.commands.registry import REGISTRY, Effect, Group
from vmdbg.commands.session import Session
from vmdbg.debugger.debugger import Debugger
from vmdbg.machine.digest import digest
from vmdbg.machine.snapshot import Position

pytestmark = pytest.mark.timeout(300)
EVERYTHING = Effect.RUNS | Effect.CHANGES | Effect.HOST


@pytest.fixture
def session(own: OwnGuest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own.timeline.seek(Position(own.ready))
    made = Session(Debugger(own.timeline), allowed=EVERYTHING)
    yield made
    points = made.debugger.points
    for point in list(points.breakpoints.values()):
        points.remove(point)


def test_every_command_for_the_system_answers_and_changes_nothing(session: Session) -> None:
    before = digest(session.debugger.machine)
    checked = 0
    for command in REGISTRY:
        if command.group is Group.SYSTEM and not command.effect:
            for example in command.examples:
                answer = session.execute(example)
                assert answer.strip() or example in ("files", "vmas"), "the idle task has neither"
                assert not answer.startswith("error"), (example, answer)
                json.loads(session.execute(f"{example} --json" if "--json" not in example else example))
                checked += 1
    assert checked > 12
    session.execute("syscalls --off")
    assert digest(session.debugger.machine) == before


def test_ptype_shows_structs_enums_and_prototypes(session: Session) -> None:
    shown = session.execute("ptype struct list_head")
    assert re.search(r"struct list_head \*next; +/\* +0 +8 \*/", shown)
    assert session.execute("ptype list_head") == shown
    assert "ssize_t vfs_read(struct file *file, char *buf, size_t count, loff_t *pos);" in session.execute(
        "ptype vfs_read"
    )
    assert "PIDTYPE_PID = 0," in session.execute("ptype enum pid_type")
    assert "no type struct nothing" in session.execute("ptype struct nothing")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("p current().comm", '"swapper/0"'),
        ("p task(1).comm", '"init"'),
        ("p task(1)->real_parent->pid", "0"),
        ("p offsetof(struct list_head, prev)", "8"),
        ("p sizeof(struct list_head)", "0x10 = 16"),
        ("p container_of(task(1).tasks, struct task_struct, tasks).pid", "1"),
        ("p ((struct task_struct *)init_task).comm", '"swapper/0"'),
        ("p *(unsigned int *)&task(1).pid", "1"),
        ("p per_cpu('runqueues').curr.comm", '"swapper/0"'),
        ("p len([one for one in threads() if one.mm]) == len([one for one in threads() if *&one.mm])", "True"),
        ("p *(struct file *)0", "(struct file)<not readable at 0x0>"),
    ],
)
def test_typed_values_at_the_prompt(session: Session, line: str, answer: str) -> None:
    assert session.execute(line).strip() == answer


def test_typed_values_in_several_lines_and_in_lists(session: Session) -> None:
    shown = session.execute("p task(1).fs.root").splitlines()
    assert shown[0] == "(struct path){"
    assert re.fullmatch(r"    \.dentry = \(struct dentry \*\)0xffff[0-9a-f]+,", shown[2])
    children = session.execute("p entries(task(1).children, struct task_struct, sibling)")
    assert re.match(r"\[\(struct task_struct\)\{\.\.\.\} at 0xffff[0-9a-f]+, \(struct", children)
    assert "no task with pid 99999" in session.execute("p task(99999).comm")
    assert "no type struct nothing" in session.execute("p (struct nothing *)5")


def test_symbols_writes_an_elf(session: Session, tmp_path: Path) -> None:
    path = tmp_path / "guest.elf"
    assert f"symbol-file {path}" in session.execute(f"symbols {path}")
    assert path.read_bytes().startswith(b"\x7fELF")
    assert "cannot write" in session.execute(f"symbols {tmp_path}")
    guarded = Session(session.debugger)
    assert "cannot be used here" in guarded.execute(f"symbols {path}")


def test_task_shows_the_stack_and_the_call_of_a_sleeper(session: Session) -> None:
    (pid,) = (row["pid"] for row in json.loads(session.execute("ps --json")) if row["name"].endswith("100000"))
    shown = session.execute(f"task {pid}")
    assert "hrtimer_nanosleep" in shown
    assert "clock_nanosleep(which_clock=0, flags=0, rqtp=0x" in shown


def test_system_calls_are_written_into_the_log(session: Session) -> None:
    session.run("syscalls init")
    session.execute("break panic")
    session.execute("continue")
    lines = [row["text"] for row in json.loads(session.execute("log 1000 --json"))]
    assert any(line == 'init[1] write(fd=1, buf="c\\n", count=2)' for line in lines), lines[-20:]
    assert all(line.startswith("init[") for line in lines)
    session.run("syscalls --off")
    assert len(session.debugger.points.breakpoints) == 1
