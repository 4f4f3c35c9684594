"""The CPU of this machine."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.conformance.batch import Batch, results
from tests.conformance.layout import DEFINES, DEFINES_32, STATE_SIZE, State
from tests.guests.build import assemble, build_program

HERE = Path(__file__).parent


def harness(*, avx: bool = False, bits: int = 64) -> bytes:
    """With `avx` it loads and saves YMM registers; `bits` of the code of cases."""
    defines = DEFINES if bits == 64 else DEFINES_32
    return assemble((HERE / "harness.asm").read_text(), defines=defines | ({"AVX": 1} if avx else {}))


class HostCpu:
    """Runs batches in a process of its own, whose signals are what exceptions become."""

    def __init__(self, scratch: Path, *, avx: bool = False, bits: int = 64, through: Sequence[str] = ()) -> None:
        """`through`: a command that runs programs, to which this one is given."""
        image = scratch / f"harness-{avx}-{bits}"
        image.write_bytes(harness(avx=avx, bits=bits))
        defines = DEFINES if bits == 64 else DEFINES_32
        flags = [f"-D{name}={value:#x}ul" for name, value in defines.items()]
        program = build_program((HERE / "host_runner.c").read_text(), flags)
        self._process = subprocess.Popen([*through, program, image], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def run(self, batch: Batch) -> list[State]:
        memory, start, end = batch.build()
        size = batch.count * STATE_SIZE
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(struct.pack("<4Q", len(memory), size, start, end) + memory)
        stdin.flush()
        raw = stdout.read(size)
        if len(raw) != size:
            raise RuntimeError(f"the host's runner ended with {self._process.wait(10)}")
        return results(raw)

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.kill()
        self._process.wait(10)
