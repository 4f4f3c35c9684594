"""Cores of a stock Linux kernel, opened by the tools that people open cores with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.guests.build import require
from tests.linux_assets import AssetsMissingError, cloud_debug_vmlinux
from tests.vmdbg.conftest import EVERYTHING
from tests.vmdbg.gdb.guests import GDBS, gdb_program
from tests.vmdbg.gdb.qemu_clients import guest_at_its_prompt
from vmdbg.commands import catalog
from vmdbg.machine.digest import digest
from vmdbg.session.session import Session

DRGN = """
from drgn.helpers.linux import *
for task in for_each_task(prog):
    print("task", task.pid.value_(), task.comm.string_().decode())
print("frames", [frame.name for frame in prog.stack_trace({pid})])
print("log", get_dmesg(prog)[-4000:].decode())
print("cpu", for_each_online_cpu(prog).__next__(), per_cpu(prog["runqueues"], 0).curr.pid.value_())
"""


@dataclass(frozen=True, slots=True)
class Cores:
    """Of one past instant, in a system call: what vmdbg says of it, and the files."""

    elf: Path
    compressed: Path
    own_symbols: Path
    volatility: Path
    pid: int
    name: str
    frames: list[str]
    tasks: set[tuple[int, str]]
    log: str


@pytest.fixture(scope="module")
def cores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cores]:
    directory = tmp_path_factory.mktemp("cores")
    with guest_at_its_prompt() as guest:
        session = Session(guest.debugger, catalog.commands(), allowed=EVERYTHING, owner="test")
        session.run("break vfs_read")
        session.run("reverse-continue")
        linux, task = session.system.need(), session.system.task()
        assert task is not None
        before = digest(guest.debugger.machine)
        session.run(f"dump core {directory / 'elf'}")
        session.run(f"dump core {directory / 'kdump'} --kdump")
        assert digest(guest.debugger.machine) == before
        session.run(f"symbols {directory / 'own'}")
        (directory / "linux").mkdir()
        session.run(f"symbols --volatility {directory / 'linux' / 'guest.json'}")
        yield Cores(
            directory / "elf",
            directory / "kdump",
            directory / "own",
            directory / "linux" / "guest.json",
            task.pid,
            task.name,
            [frame.location.symbol.name for frame in linux.backtrace(task).frames if frame.location],
            {(one.pid, one.name) for one in linux.tasks()},
            session.execute("dmesg"),
        )
        shutil.rmtree(directory)


@pytest.fixture(scope="module")
def vmlinux() -> Path:
    try:
        return cloud_debug_vmlinux()
    except AssetsMissingError as error:
        pytest.skip(str(error))


def _output(command: list[str], typed: str = "") -> str:
    done = subprocess.run(command, input=typed, capture_output=True, text=True, timeout=200, errors="replace")
    return done.stdout + done.stderr


def _drgn(core: Path, symbols: Path, cores: Cores, directory: Path) -> str:
    pytest.importorskip("drgn")
    script = directory / "script.py"
    script.write_text(DRGN.format(pid=cores.pid))
    return _output([sys.executable, "-m", "drgn", "-q", "-c", str(core), "-s", str(symbols), str(script)])


@pytest.mark.slow
@pytest.mark.cell("opens a core of any instant", "drgn")
def test_drgn_sees_the_same_tasks_and_the_running_stack(cores: Cores, vmlinux: Path, tmp_path: Path) -> None:
    _check_drgn(_drgn(cores.elf, vmlinux, cores, tmp_path), cores)


def test_drgn_takes_symbols_of_our_own(cores: Cores, tmp_path: Path) -> None:
    output = _drgn(cores.elf, cores.own_symbols, cores, tmp_path)
    tasks = [line for line in output.splitlines() if line.startswith("task ")]
    assert len(tasks) == len([task for task in cores.tasks if task[0]]), output[-2000:]


@pytest.mark.slow
@pytest.mark.cell("opens the compressed form of a core", "drgn")
def test_drgn_sees_the_same_in_the_compressed_form(cores: Cores, vmlinux: Path, tmp_path: Path) -> None:
    _check_drgn(_drgn(cores.compressed, vmlinux, cores, tmp_path), cores)


def _check_drgn(output: str, cores: Cores) -> None:
    lines = output.splitlines()
    tasks = {(int(pid), name) for _, pid, name in (line.split(" ", 2) for line in lines if line.startswith("task "))}
    assert tasks == {task for task in cores.tasks if task[0]}, output[-2000:]
    frames = next(line for line in lines if line.startswith("frames "))
    assert all(f"'{name}'" in frames for name in cores.frames if name != "entry_SYSCALL_64_after_hwframe"), frames
    assert f"cpu 0 {cores.pid}" in lines
    assert cores.log.splitlines()[-1].strip().split("] ")[-1] in output


@pytest.mark.slow
@pytest.mark.cell("opens a core of any instant", "crash")
def test_crash_opens_a_core(cores: Cores, vmlinux: Path) -> None:
    _check_crash(cores.elf, vmlinux, cores)


@pytest.mark.slow
@pytest.mark.cell("opens the compressed form of a core", "crash")
def test_crash_opens_the_compressed_form(cores: Cores, vmlinux: Path) -> None:
    _check_crash(cores.compressed, vmlinux, cores)


def _check_crash(core: Path, vmlinux: Path, cores: Cores) -> None:
    """crash 8.0.2 lists only running tasks of kernels whose struct pid ends in an array of no size, with QEMU's dumps
    too."""
    typed = "sys\nps\nbt\nlog\nkmem -i\nquit\n"
    output = _output([require("crash"), "-s", "--no_scroll", str(vmlinux), str(core)], typed)
    assert "MACHINE: x86_64" in output, output[-3000:]
    running = [line for line in output.splitlines() if line.startswith(">")]
    assert any(str(cores.pid) in line and line.endswith(cores.name) for line in running), output[-3000:]
    assert "start_kernel at" in output
    assert cores.log.splitlines()[-1].strip().split("] ")[-1] in output
    assert "TOTAL MEM" in output


@pytest.mark.slow
@pytest.mark.cell("opens a core of any instant", "gdb 18")
def test_gdb_sees_the_stack_that_lies_in_virtual_memory(cores: Cores, vmlinux: Path) -> None:
    program = [*gdb_program(GDBS[1]), "-q", "-batch", "-nx", str(vmlinux), str(cores.elf), "-ex", "bt"]
    output = _output(program)
    assert all(f" {name} (" in output for name in cores.frames[:2]), output[-2000:]


def test_gdb_reads_it_with_symbols_of_our_own(cores: Cores) -> None:
    program = [*gdb_program(GDBS[0]), "-q", "-batch", "-nx", str(cores.own_symbols), str(cores.elf)]
    output = _output([*program, "-ex", "bt", "-ex", "p init_task.comm"])
    assert '"swapper/0' in output, output[-2000:]
    assert all(f" {name} (" in output for name in cores.frames[:2]), output[-2000:]


@pytest.mark.slow
@pytest.mark.cell("opens a core of any instant", "volatility3")
def test_volatility_lists_the_same_tasks_by_symbols_of_our_own(cores: Cores) -> None:
    pytest.importorskip("volatility3")
    place = str(cores.volatility.parent.parent)
    command = [str(Path(sys.executable).with_name("vol")), "-q", "-s", place, "-f", str(cores.elf)]
    listed = _output([*command, "linux.pslist"])
    rows = [line.split("\t") for line in listed.splitlines() if line.startswith("0x")]
    assert {(int(row[1]), row[4]) for row in rows} == {task for task in cores.tasks if task[0]}, listed[-2000:]
    maps = _output([*command, "linux.proc.Maps", "--pid", str(cores.pid)])
    assert "[stack]" in maps
    assert "/bin/busybox" in maps
    assert cores.log.splitlines()[-2].strip().split("] ")[-1] in _output([*command, "linux.kmsg"])  # it omits the last
