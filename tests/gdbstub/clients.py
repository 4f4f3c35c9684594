"""Real debuggers against the toy target: the test polls the server while the client runs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence

from gdbstub.frames import TargetFrame
from gdbstub.server import Server
from gdbstub.stops import FIRST_THREAD
from samples.toy_target import Toy

DEADLINE = 60.0


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


def gdb(toy: Toy, *commands: str, program: str = "gdb", connect: str = "target remote {port}") -> str:
    """A batch session of gdb."""
    options = [part for command in ("set style enabled off", connect, *commands) for part in ("-ex", command)]
    return debug(toy, [program, "-q", "-batch", "-nx", *options])
