"""Programs of a process, and the names of their code from files of the host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.linux_assets import AssetsMissingError, busybox_initrd, cloud_kernel
from tests.vmdbg.gdb.guests import MEBIBYTE, guest
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session

pytestmark = pytest.mark.timeout(300)
SOURCE = r"""
static long call(long number, long argument) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(argument) : "rcx", "r11", "memory");
    return result;
}
volatile long counter;
__attribute__((noinline)) void nap(long seconds) {
    long time[2] = {seconds, 0};
    counter++;
    call(35, (long)time);
}
__attribute__((noinline)) void work(void) { for (;;) nap(20); }
__attribute__((force_align_arg_pointer)) void _start(void) { work(); for (;;); }
"""
OPTIONS = ("-O1", "-fno-omit-frame-pointer", "-g", "-nostdlib", "-static-pie", "-fPIE", "-Wl,--build-id")


@dataclass(frozen=True)
class Running:
    session: Session
    program: Path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A program of the test's own, at an address that the kernel chose, asleep in a system call."""
    if not shutil.which("gcc"):
        pytest.skip("needs gcc")
    directory = tmp_path_factory.mktemp("program")
    (directory / "napper.c").write_text(SOURCE)
    subprocess.run(["gcc", *OPTIONS, "-o", "napper", "napper.c"], cwd=directory, check=True)
    program = directory / "napper"
    try:
        initrd = busybox_initrd({"opt/napper": program.read_bytes(), "autorun": b"#!/bin/sh\n/opt/napper &\nsleep 1\n"})
        kernel = cloud_kernel().read_bytes()
    except AssetsMissingError as error:
        pytest.skip(str(error))
    with guest(kernel, memory=256 * MEBIBYTE, initrd=initrd.read_bytes()) as made:
        session = Session(made.debugger, catalog.commands(), allowed=Effect.RUNS | Effect.CHANGES | Effect.HOST)
        made.debugger.resume(Continue())
        while "~ # " not in made.output:
            made.debugger.poll()
        made.debugger.interrupt()
        made.debugger.wait()
        yield Running(session, program)


def test_programs_are_listed_with_their_build_ids(running: Running) -> None:
    notes = subprocess.run(["readelf", "-n", running.program], capture_output=True, text=True, check=True).stdout
    build_id = notes.split("Build ID: ")[1].split()[0]
    shown = running.session.execute("programs napper")
    assert "/opt/napper" in shown
    assert build_id in shown
    assert "is a thread of the kernel" in running.session.execute("programs kthreadd")


def test_a_programs_names_hold_for_its_process(running: Running) -> None:
    session = running.session
    assert "work" not in session.execute("bt --task napper")
    loaded = session.execute(f"symbol-file {running.program} --process napper")
    assert str(running.program) in loaded
    assert "nap+0x" in session.execute("bt --task napper")
    assert "nap+0x" in session.execute("task napper")
    nap = session.symbols.address_of("nap")
    assert nap > 1 << 32
    assert session.symbols.nearest(nap) is None, "the idle task runs"
    session.run("break nap --process napper")
    assert "<nap>" in session.execute("continue")
    assert session.execute("p u64(counter)") == "1\n"
    assert "counter++;" in session.execute("list")
    frames = session.execute("bt").splitlines()
    assert " nap " in frames[0]
    assert " work+0x" in frames[1]
    assert session.execute("bt --task napper").splitlines() == frames
    session.run("delete all")
    session.execute(f"symbol-file {running.program} --remove")


def test_a_directory_is_searched_by_build_id_and_by_path(running: Running, tmp_path: Path) -> None:
    session = running.session
    assert "is what process" in session.execute(f"symbol-file {tmp_path} --process napper")
    (tmp_path / "opt").mkdir()
    shutil.copy(running.program, tmp_path / "opt")
    assert f"{tmp_path}/opt/napper" in session.execute(f"symbol-file {tmp_path} --process napper")
    session.execute(f"symbol-file {tmp_path}/opt/napper --remove")
    build_id = session.execute("programs napper").splitlines()[-1].split()[3]
    debug = tmp_path / ".build-id" / build_id[:2] / f"{build_id[2:]}.debug"
    debug.parent.mkdir(parents=True)
    subprocess.run(["objcopy", "--only-keep-debug", running.program, debug], check=True)
    assert str(debug) in session.execute(f"symbol-file {tmp_path} --process napper")
    assert " nap" in session.execute("bt --task napper")
    session.execute(f"symbol-file {debug} --remove")


def test_another_program_is_refused(running: Running, tmp_path: Path) -> None:
    other = tmp_path / "napper"
    (tmp_path / "other.c").write_text(SOURCE.replace("counter++", "counter--"))
    subprocess.run(["gcc", *OPTIONS, "-o", other, "other.c"], cwd=tmp_path, check=True)
    assert "is nothing that the process runs: /opt/napper" in running.session.execute(
        f"symbol-file {other} --process napper"
    )
    assert "is no ELF file" in running.session.execute(f"symbol-file {tmp_path}/other.c --process napper")
    assert "there is no task" in running.session.execute(f"symbol-file {other} --process nobody")


def test_a_system_map_is_moved_to_where_the_kernel_is(running: Running, tmp_path: Path) -> None:
    """Of a kernel linked 16 MiB lower than where this one runs."""
    session = running.session
    true = {name: session.symbols.address_of(name) for name in ("_text", "start_kernel", "vfs_read")}
    path = tmp_path / "System.map"
    linked = {name: address - (16 << 20) for name, address in true.items()}
    lines = [f"{address:x} T {name}\n{address:x} T {name}_from_map\n" for name, address in linked.items()]
    path.write_text("".join(lines))
    assert "0x1000000" in session.execute(f"symbol-file {path}")
    assert session.symbols.address_of("vfs_read_from_map") == true["vfs_read"]
    session.execute(f"symbol-file {path} --remove")
