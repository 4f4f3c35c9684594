"""The CPU of this machine."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.conformance.batch import Batch, results
from tests.conformance.layout import DEFINES, DEFINES_32, DEFINES_I386, STATE_SIZE, State
from tests.guests.build import assemble, build_program

HERE = Path(__file__).parent


def harness(*, avx: bool = False, bits: int = 64, i386: bool = False) -> bytes:
    """With `avx` it loads and saves YMM registers; `bits` of the code of cases; `i386`: as a program of 32 bits."""
    defines = DEFINES_I386 if i386 else DEFINES if bits == 64 else DEFINES_32
    source = HERE / ("harness_i386.asm" if i386 else "harness.asm")
    return assemble(source.read_text(), defines=defines | ({"AVX": 1} if avx else {}))


class Runner:
    """A process that runs batches, whose signals are what exceptions become."""

    def __init__(self, command: Sequence[str | Path], *, i386: bool = False) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._i386 = i386

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, batch: Batch) -> list[State]:
        memory, start, end = batch.build(i386=self._i386)
        size = batch.count * STATE_SIZE
        self.send(struct.pack("<4Q", len(memory), size, start, end) + memory)
        return results(self.receive(size))

    def send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def receive(self, size: int) -> bytes:
        assert self._process.stdout is not None
        raw = self._process.stdout.read(size)
        if len(raw) != size:
            raise RuntimeError(f"the runner ended with {self._process.wait(10)}")
        return raw

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait(10)


class HostCpu(Runner):
    """This machine's."""

    def __init__(self, scratch: Path, *, avx: bool = False, bits: int = 64) -> None:
        image = scratch / f"harness-{avx}-{bits}"
        image.write_bytes(harness(avx=avx, bits=bits))
        defines = DEFINES if bits == 64 else DEFINES_32
        flags = [f"-D{name}={value:#x}ul" for name, value in defines.items()]
        super().__init__([build_program((HERE / "host_runner.c").read_text(), flags), image])
