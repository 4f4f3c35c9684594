"""The guest that `vmdbg run` boots when none is named."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from vmdbg.boot.image import InputFile
from vmdbg.errors import UserError

NAME = "sample.elf"


def sample_path() -> Path:
    """Where the sample kernel lies. Raises UserError if it was not built in."""
    packaged = resources.files("vmdbg") / "samples" / NAME
    source = Path(__file__).parents[2] / "samples" / "kernel" / NAME
    for path in (Path(str(packaged)), source):
        if path.is_file():
            return path
    raise UserError("the sample guest is missing from this installation: run `make -C samples/kernel`, or name a guest")


def sample_kernel() -> InputFile:
    """The sample kernel under a name for people."""
    path = sample_path()
    return InputFile(f"the sample kernel ({path})", memoryview(path.read_bytes()))
