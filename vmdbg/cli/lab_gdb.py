"""gdb at every machine of a recorded lab: a process and a port each."""

from __future__ import annotations

import io
import sys
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import TextIO, cast

from vmdbg.api.lab_recording import LabRecording
from vmdbg.errors import UserError
from vmdbg.host.addresses import TcpAddress, listen_address
from vmdbg.host.exit_code import ExitCode
from vmdbg.interruption import INTERRUPTION
from vmdbg.queries.fresh import FreshContext
from vmdbg.queries.lifetime import end_workers, live_as_worker, signals_wait

PATIENCE = 0.1
"""Seconds between two looks whether somebody wants an end."""


def _replay(machine: str, words: list[str]) -> None:
    from vmdbg.cli.main import main

    live_as_worker()
    sys.stderr = Named(machine, sys.stderr)
    sys.exit(main(words))


class Named(io.TextIOBase):
    """Where messages go, with whose they are."""

    def __init__(self, name: str, file: TextIO) -> None:
        self._name = name
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(f"{self._name}: {text}" if text.strip() else text)

    def flush(self) -> None:
        self._file.flush()

    def fileno(self) -> int:
        return self._file.fileno()


def gdb_address(where: str) -> TcpAddress:
    """Raises UserError."""
    address = listen_address(where)
    if not isinstance(address, TcpAddress):
        raise UserError(f"--gdb {where}: a lab takes [HOST:]PORT, the first of as many ports as it has machines")
    return address


def serve_gdb(recording: LabRecording, where: str) -> int:
    """Until all of them have been left, or one cannot be served. Every machine stands where the lab does."""
    address = gdb_address(where)
    if address.port and address.port + len(recording.machines) > 1 << 16:
        raise UserError(f"--gdb {where}: there are not as many ports after it as the lab has machines")
    context, started = FreshContext(), list[BaseProcess]()
    try:
        for number, (name, guest) in enumerate(recording.machines.items()):
            file = recording.index.folder / recording.life(name).file
            port = str(TcpAddress(address.host, address.port + number if address.port else 0))
            words = ["replay", str(file), "--to", str(guest.position), "--quiet", "--gdb", port]
            with signals_wait():
                process = context.Process(target=_replay, args=(name, words), name=f"lab {name}")
                process.start()
            started.append(cast("BaseProcess", process))
        return _served(started)
    finally:
        end_workers(started)
        for one in started:
            one.join()


def _served(started: list[BaseProcess]) -> int:
    left = list(started)
    while left:
        INTERRUPTION.check()
        wait([process.sentinel for process in left], PATIENCE)
        for process in [one for one in left if one.exitcode is not None]:
            if process.exitcode:
                return process.exitcode if process.exitcode > 0 else ExitCode.ENGINE
            left.remove(process)
    return ExitCode.DONE
