"""Bochs' core as a third oracle, where somebody has installed its bindings (PyPI: bochscpu-python)."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import mmap
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.conformance.batch import Batch
from tests.conformance.compare import Difference
from tests.conformance.groups import Kind
from tests.conformance.guest import RAM, Guest
from tests.conformance.host import HERE
from tests.conformance.known import Case
from tests.conformance.known_bochs import explain_bochs
from tests.conformance.layout import State
from tests.guests.build import build_program


def is_there() -> bool:
    return sys.platform == "linux" and importlib.util.find_spec("bochscpu") is not None


class BochsProcess:
    """Has RAM in a file, and runs what begins with some registers until it halts or shuts down."""

    def __init__(self, path: Path, size: int) -> None:
        with path.open("w+b") as file:
            file.truncate(size)
            self.ram = mmap.mmap(file.fileno(), size)
        command, pipe = [sys.executable, str(HERE / "bochs_child.py"), str(path)], subprocess.PIPE
        # Unbuffered: a line that is read ahead select() does not see.
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0, env=os.environ | _preload())

    def begin(self, registers: Mapping[str, int]) -> int:
        """The number of the process that runs it."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(registers).encode() + b"\n")
        return self._number()

    def wait(self) -> int:
        """How it ended: 0, or minus the number of a signal."""
        return self._number()

    def is_done(self, seconds: float) -> bool:
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout], [], [], seconds)[0])

    def _number(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"Bochs ended with {self._process.wait(10)}")
        return int(line)

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.kill()
        self._process.wait(10)
        self.ram.close()


class BochsCpu(Guest):
    """The guest that the engine has."""

    def __init__(self, scratch: Path, *, avx: bool = False, bits: int = 64) -> None:
        self._bochs = BochsProcess(scratch / f"bochs-{avx}-{bits}", RAM)
        super().__init__(avx=avx, bits=bits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _poke(self, physical: int, data: bytes) -> None:
        self._bochs.ram[physical : physical + len(data)] = data

    def _peek(self, physical: int, size: int) -> bytes:
        return self._bochs.ram[physical : physical + size]

    def run(self, batch: Batch) -> list[State]:
        self.load(batch)
        self._bochs.begin(self.registers())
        ended = self._bochs.wait()
        if ended:
            raise RuntimeError(f"Bochs ended with {ended}")
        return self.results(batch)

    def suited(self, batch: Batch, found: list[State]) -> Batch:
        return batch

    def told(self, state: State, found: State) -> State:
        return state

    def explain(self, case: Case, difference: Difference) -> str | None:
        return explain_bochs(case, difference)

    def close(self) -> None:
        self._bochs.close()


def of_kind(scratch: Path, kind: Kind) -> BochsCpu:
    return BochsCpu(scratch, avx=kind.avx, bits=kind.bits)


def _preload() -> dict[str, str]:
    """The wheel is built for a newer C library than Debian 12's, of which it uses two functions more."""
    if hasattr(ctypes.CDLL(None), "__isoc23_strtoull"):
        return {}
    shim = build_program((HERE / "bochs_shim.c").read_text(), ["-shared", "-fPIC"])
    return {"LD_PRELOAD": str(shim)}
