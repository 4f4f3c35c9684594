"""Bochs' core as a third oracle, where somebody has installed its bindings (PyPI: bochscpu-python)."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import mmap
import os
import subprocess
import sys
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


class BochsCpu(Guest):
    """The guest that the engine has, in a process of its own."""

    def __init__(self, scratch: Path, *, avx: bool = False, bits: int = 64) -> None:
        path = scratch / f"bochs-{avx}-{bits}"
        with path.open("w+b") as file:
            file.truncate(RAM)
            self._ram = mmap.mmap(file.fileno(), RAM)
        command = [sys.executable, str(HERE / "bochs_child.py"), str(path)]
        environment = os.environ | _preload()
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)
        super().__init__(avx=avx, bits=bits)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _poke(self, physical: int, data: bytes) -> None:
        self._ram[physical : physical + len(data)] = data

    def _peek(self, physical: int, size: int) -> bytes:
        return self._ram[physical : physical + size]

    def run(self, batch: Batch) -> list[State]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.load(batch)
        self._process.stdin.write(json.dumps(self.registers()) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        if said != "0":
            raise RuntimeError(f"Bochs ended with {said or self._process.wait(10)}")
        return self.results(batch)

    def suited(self, batch: Batch, found: list[State]) -> Batch:
        return batch

    def told(self, state: State, found: State) -> State:
        return state

    def explain(self, case: Case, difference: Difference) -> str | None:
        return explain_bochs(case, difference)

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.kill()
        self._process.wait(10)
        self._ram.close()


def of_kind(scratch: Path, kind: Kind) -> BochsCpu:
    return BochsCpu(scratch, avx=kind.avx, bits=kind.bits)


def _preload() -> dict[str, str]:
    """The wheel is built for a newer C library than Debian 12's, of which it uses two functions more."""
    if hasattr(ctypes.CDLL(None), "__isoc23_strtoull"):
        return {}
    shim = build_program((HERE / "bochs_shim.c").read_text(), ["-shared", "-fPIC"])
    return {"LD_PRELOAD": str(shim)}
