"""Real debuggers against the toy target: the test polls the server while the client runs."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence

import pytest

from gdbstub.frames import TargetFrame
from gdbstub.server import Server
from gdbstub.stops import FIRST_THREAD
from samples.toy_target import Toy

DEADLINE = 60.0


def debian_gdb() -> list[str]:
    """The distribution's gdb."""
    path = shutil.which("gdb", path="/usr/bin:/bin")
    if path is None:
        pytest.skip("no gdb in /usr/bin")
    return [path]


def wheel(package: str, tool: str) -> list[str]:
    """A debugger from PyPI: gdb-for-pwndbg or lldb-for-pwndbg."""
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package.replace('_', '-')} is not installed")
    return [sys.executable, "-c", f"from {package}.{tool} import main; main()"]


def debug(toy: Toy, command: Sequence[str]) -> str:
    """Run `command`, with {port} in its arguments replaced, against `toy`; its whole output."""
    server = Server(toy.target())
    toy.frame = TargetFrame(toy.target(), FIRST_THREAD, server.console)
    host, port = server.listen_tcp()
    arguments = [argument.replace("{port}", f"{host}:{port}") for argument in command]
    deadline = time.monotonic() + DEADLINE
    with subprocess.Popen(
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as client:
        try:
            while client.poll() is None:
                assert time.monotonic() < deadline, f"{arguments[0]} did not end"
                server.poll(0.05 if toy.why is not None else 0)
                toy.run_slice(server)
        finally:
            client.kill()
            server.close()
        assert client.stdout is not None
        return client.stdout.read()


def gdb(program: list[str], toy: Toy, *commands: str, connect: str = "target remote {port}") -> str:
    """A batch session of gdb."""
    options = [part for command in ("set style enabled off", connect, *commands) for part in ("-ex", command)]
    return debug(toy, [*program, "-q", "-batch", "-nx", *options])


def lldb(program: list[str], toy: Toy, *commands: str) -> str:
    """A batch session of lldb."""
    connect = (
        "settings set use-color false",
        "target create --arch i386-unknown-none ''",
        "gdb-remote {port}",
    )
    options = [part for command in (*connect, *commands) for part in ("-o", command)]
    return debug(toy, [*program, "-b", "-x", *options])
