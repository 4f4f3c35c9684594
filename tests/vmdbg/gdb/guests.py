"""Guests under a debugger, and real clients that debug them while the test runs the guest."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.gdbstub.clients import debian_gdb, wheel
from tests.guests.build import REPOSITORY, assemble_file, sample_kernel
from tests.linux_assets import AssetsMissingError, busybox_initrd, cloud_kernel
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootOptions, InputFile
from vmdbg.debugger.debugger import Debugger
from vmdbg.gdb.architecture import ClientView
from vmdbg.gdb.lifecycle import OWNER
from vmdbg.gdb.server import GdbServer
from vmdbg.gdb.standing import Standing
from vmdbg.machine.config import MachineConfig
from vmdbg.timeline.origin import BootOrigin
from vmdbg.timeline.timeline import Timeline

DEADLINE = 100.0
MEBIBYTE = 1 << 20


@dataclass(slots=True)
class Guest:
    """A machine that stands at its first instruction, and what it has printed."""

    debugger: Debugger
    printed: bytearray = field(default_factory=bytearray)

    @property
    def output(self) -> str:
        return self.printed.decode("latin-1")


@contextmanager
def guest(
    kernel: bytes, *, memory: int = 16 * MEBIBYTE, append: str = "", initrd: bytes | None = None, cpu: str = "base"
) -> Iterator[Guest]:
    options = BootOptions(
        memory=memory,
        kernel=InputFile("guest", memoryview(kernel)),
        initrd=InputFile("initrd", memoryview(initrd)) if initrd is not None else None,
        append=append,
    )
    with booted(options, cpu) as made:
        yield made


@contextmanager
def firmware_guest(image: bytes) -> Iterator[Guest]:
    """At the reset vector."""
    memory = 16 * MEBIBYTE
    with booted(BootOptions(memory=memory, bios=InputFile("firmware", memoryview(image)))) as made:
        yield made


@contextmanager
def booted(options: BootOptions, cpu: str = "base") -> Iterator[Guest]:
    origin = BootOrigin(MachineConfig(memory=options.memory, cpu=cpu), boot_image(options), options)
    machine = origin.machine()
    made = Guest(Debugger(Timeline(machine, origin=origin)))
    for console in (machine.debug_console, machine.serial[0]):
        console.listeners.append(lambda _port, data, _now: made.printed.extend(data))
    try:
        yield made
    finally:
        made.debugger.close()


@contextmanager
def sample_guest(append: str = "autostop") -> Iterator[Guest]:
    with guest(sample_kernel().read_bytes(), append=append, memory=32 * MEBIBYTE) as made:
        yield made


@contextmanager
def assembled_guest(name: str) -> Iterator[Guest]:
    """A source of tests/guests."""
    with guest(assemble_file(name)) as made:
        yield made


@contextmanager
def linux_guest() -> Iterator[Guest]:
    try:
        kernel, initrd = cloud_kernel(), busybox_initrd()
    except AssetsMissingError as error:
        pytest.skip(str(error))
    with guest(kernel.read_bytes(), memory=256 * MEBIBYTE, initrd=initrd.read_bytes()) as made:
        yield made


def alone(debugger: Debugger) -> Standing:
    """What a client knows that nobody else is beside."""
    return Standing(debugger, OWNER, lambda: False)


def serve(debugger: Debugger, command: Sequence[str], view: ClientView | None = None) -> str:
    """Run `command`, with {port} in its arguments replaced, against `debugger`; its whole output."""
    server = GdbServer(debugger) if view is None else GdbServer(debugger, view=view)
    host, port = server.listen_tcp("127.0.0.1", 0)
    arguments = [argument.replace("{port}", f"{host}:{port}") for argument in command]
    deadline = time.monotonic() + DEADLINE
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen(
            arguments, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as client,
    ):
        try:
            while client.poll() is None:
                assert time.monotonic() < deadline, f"{arguments[0]} did not end"
                server.poll(0 if debugger.running else 0.02)
                debugger.poll()
        finally:
            client.kill()
            server.close()
        output.seek(0)
        return output.read().decode(errors="replace")


def gdb(
    program: list[str],
    debugger: Debugger,
    *commands: str,
    file: Path | None = None,
    connect: str = "target remote {port}",
    view: ClientView | None = None,
) -> str:
    """A batch session of gdb."""
    first = ("set style enabled off", "set pagination off", "set confirm off", connect)
    options = [part for command in (*first, *commands) for part in ("-ex", command)]
    files = [str(file)] if file is not None else []
    return serve(debugger, [*program, "-q", "-batch", "-nx", *options, *files], view)


def lldb(
    program: list[str], debugger: Debugger, *commands: str, file: Path | None = None, view: ClientView | None = None
) -> str:
    """A batch session of lldb."""
    target = f"target create {file}" if file is not None else "target create --arch x86_64-unknown-none ''"
    first = ("settings set use-color false", target, "gdb-remote {port}")
    options = [part for command in (*first, *commands) for part in ("-o", command)]
    return serve(debugger, [*program, "-b", "-x", *options], view)


GDBS = ("Debian's gdb", "newest gdb")


def gdb_program(name: str) -> list[str]:
    """One of GDBS; skips the test if it is not installed."""
    return debian_gdb() if name == GDBS[0] else wheel("gdb_for_pwndbg", "gdb")
