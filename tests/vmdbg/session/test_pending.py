"""Symbol files of modules and programs, and breakpoints in them, before the guest has any of it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.linux_assets import busybox_initrd
from tests.vmdbg.gdb.guests import Guest, guest
from tests.vmdbg.os.built_module import built_module
from tests.vmdbg.os.conftest import fetch_or_skip
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue
from vmdbg.document.plain import render_plain
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.units import Tick

pytestmark = pytest.mark.timeout(300)

MODULE = """
static int counter = 5;
static int table[40];
static __attribute__((noinline, section(".init.text"))) int set_up(int n)
{
    table[n & 31] = n + counter;
    return n;
}
__attribute__((noinline)) int at_work(int n)
{
    return table[n & 31] += counter;
}
int init_module(void) { return at_work(set_up(3)) & 0; }
void cleanup_module(void) {}
"""
PROGRAM = """
static int counter;
__attribute__((noinline)) int work_here(int n)
{
    return counter += n;
}
int main(int argc, char **argv)
{
    (void)argv;
    return work_here(argc);
}
"""
SCRIPT = b"""#!/bin/sh
insmod /piece.ko
/bin/tool one; /bin/tool two three
rmmod piece
insmod /piece.ko
"""
LATEST = Tick(8_000_000_000)
SLOW = ("5.10-cloud", "6.12-cloud", "newest-cloud")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Position-independent: each process has it elsewhere."""
    directory = tmp_path_factory.mktemp("program")
    (directory / "tool.c").write_text(PROGRAM)
    command = ["gcc", "-g", "-O1", "-static-pie", "-o", "tool", "tool.c"]
    subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=60)
    return directory / "tool"


@pytest.fixture(params=["6.1-cloud", *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def label(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def module(label: str) -> Path:
    return built_module(fetch_or_skip(label), "piece", MODULE, ("-g", "-O0"))


@pytest.fixture
def made(label: str, module: Path, program: Path) -> Iterator[Guest]:
    files = {"piece.ko": module.read_bytes(), "bin/tool": program.read_bytes(), "autorun": SCRIPT}
    kernel = fetch_or_skip(label).image.read_bytes()
    initrd = busybox_initrd(files).read_bytes()
    with guest(kernel, memory=256 << 20, append="console=ttyS0", initrd=initrd) as started:
        yield started


def _continue(session: Session) -> str:
    return render_plain(session.execution.act(Continue(limit=LATEST)))


def test_names_are_waited_for_and_placed_where_they_come(made: Guest, module: Path, program: Path) -> None:
    session = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE)
    assert "with --pending it is waited for" in session.execute("break set_up")
    assert "is pending: nothing is called 'set_up' yet" in session.execute("break --pending set_up")
    assert "not loaded" in session.execute(f"symbol-file {module}")
    session.run(f"symbol-file {program}")
    assert re.search(r"breakpoint +yes +pending .* set_up", session.execute("points"))
    initial = _in_the_module_s_init(session)
    _in_processes(session)
    session.run("delete all")
    session.run("goto +50m")
    assert "set_up" not in session.execute(f"symbol {initial:#x}"), "init code has been given back"
    assert "at_work" in session.execute("symbol at_work")


def _in_the_module_s_init(session: Session) -> int:
    shown = _continue(session)
    initial = session.debugger.pc
    assert "breakpoint 1" in shown
    assert re.search(r"<set_up> .*piece\.c:5", shown)
    session.run("tbreak at_work")
    assert re.search(r"<at_work> .*piece\.c:10", _continue(session))
    session.run("tbreak piece.c:11")
    assert re.search(r"<at_work\+0x[0-9a-f]+> .*piece\.c:11", _continue(session))
    return initial


def _in_processes(session: Session) -> None:
    shown = session.execute("break work_here --process tool")
    number = re.findall(r"breakpoint (\d+) is pending", shown)[0]
    session.run("tbreak main")
    assert re.search(r"<main> .*tool\.c:\d+", _continue(session))
    places = []
    for times in ("", ", hit 2 times"):
        shown = _continue(session)
        assert shown.startswith(f"breakpoint {number}{times}\n")
        assert re.search(r"<work_here> .*tool\.c:\d+", shown)
        places.append(session.debugger.pc)
    assert places[0] != places[1], "the two processes have the program in different places"
    assert "work_here" in session.execute(f"symbol {places[1]:#x}")
    assert "work_here" not in session.execute(f"symbol {places[0]:#x}"), "that is another process's"
    assert "breakpoint 1, hit 2 times" in _continue(session), "the module is loaded once more"
    assert "work_here" not in session.execute(f"symbol {places[1]:#x}"), "insmod runs now"


@pytest.mark.usefixtures("module")
def test_the_first_instruction_of_a_program_and_what_lies_before_it(made: Guest, program: Path) -> None:
    session = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE)
    session.run(f"symbol-file {program}")
    assert "is pending" in session.execute("tbreak --pending main"), "a low address is not where it will be"
    assert re.search(r"<main> .*tool\.c:\d+", _continue(session))
    main = session.debugger.position
    session.run("break finalize_exec")
    session.run("reverse-continue")
    session.run("delete all")
    session.run("until-user tool")
    first = session.debugger.position
    assert (session.debugger.cpu.ring, first < main) == (3, True)
    session.run("reverse-stepi")
    assert session.debugger.cpu.ring == 0
    assert "iret" in session.execute("disassemble linear_pc 1")
    assert "system call" not in session.execute("bt"), "the new program has made none"
    session.run("stepi")
    assert session.debugger.position == first
    session.run("reverse-stepi 2")
    session.run("stepi 2")
    assert session.debugger.position == first


def test_waiting_for_names_leaves_no_trace(made: Guest, module: Path, program: Path) -> None:
    """With reports caught, code that comes in looked at, and stops in it: the guest ends up as if left alone."""
    session = Session(made.debugger, catalog.commands(), allowed=~Effect.NONE)
    for line in ("catch oops", "break --pending set_up", "break --pending work_here", f"symbol-file {module}"):
        session.run(line)
    session.run(f"symbol-file {program}")
    end = LATEST
    stops = 0
    while made.debugger.machine.clock < end:
        session.execution.act(Continue(limit=end))
        stops += 1
    assert stops >= 3
    seen = digest(made.debugger.machine)
    made.debugger.restart()
    session.close()
    made.debugger.resume(Continue(limit=end))
    made.debugger.wait()
    assert digest(made.debugger.machine) == seen
