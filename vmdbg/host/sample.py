"""The guest that `vmdbg run` boots when none is named."""

from __future__ import annotations

from os.path import isfile
from pathlib import Path

from vmdbg.boot.image import InputFile
from vmdbg.errors import UserError


def sample_path(cpus: int = 1) -> Path:
    """Where the sample kernel for so many CPUs lies. Raises UserError if it was not built in."""
    name = "sample.elf" if cpus == 1 else "sample-smp.elf"
    package = Path(__file__).parents[1]
    for path in (package / "samples" / name, package.parent / "samples" / "kernel" / name):
        if isfile(path):
            return path
    raise UserError(
        f"the sample guest is missing from this installation: run `make -C samples/kernel {name}`, or name a guest"
    )


def sample_kernel(cpus: int = 1) -> InputFile:
    """The sample kernel under a name for people."""
    path = sample_path(cpus)
    return InputFile(f"the sample kernel ({path})", memoryview(path.read_bytes()))
