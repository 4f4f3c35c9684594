"""Modules of Multiboot kernels, as `--module` names them."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.boot.image import Module
from vmdbg.boot.source import read_input
from vmdbg.document.printable import printable
from vmdbg.errors import UserError

_TEXT = ",text="


@dataclass(frozen=True, slots=True)
class ModuleChoice:
    """`path`: of the file; `text`: what the kernel is told with it."""

    path: str
    text: str = ""

    def read(self) -> Module:
        """Raises UserError."""
        return Module(read_input(self.path, "module"), self.text)


def parse_module(text: str) -> ModuleChoice:
    """`FILE[,text=TEXT]`: all that comes behind `text=`; a comma in the name is written twice. Raises UserError."""
    if "\0" in text:
        raise UserError("--module holds a NUL character: take it out")
    named, _, told = text.replace(",,", "\0").partition(_TEXT)
    path, *settings = (part.replace("\0", ",") for part in named.split(","))
    if not path:
        raise UserError("--module names no file: give one, as --module FILE")
    if settings:
        raise UserError(f"--module has no option {printable(settings[0])!r}; it has: text=TEXT, to the end")
    return ModuleChoice(path, told.replace("\0", ",,"))
