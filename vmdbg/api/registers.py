"""Registers as attributes."""

from __future__ import annotations

from collections.abc import Callable

from vmdbg.debugger.registers import NoSuchRegisterError, RegisterFile


class Registers:
    """`registers.rip`, `registers["cr3"]`, `registers.eax = 1`. Names are those of the SDM and of gdb; values unsigned.

    Writing is a recorded input. Raises UserError for a name that does not exist, and for writing in the past.
    """

    __slots__ = ("_file", "_write")
    _file: RegisterFile
    _write: Callable[[str, int], None]

    def __init__(self, file: RegisterFile, write: Callable[[str, int], None]) -> None:
        object.__setattr__(self, "_file", file)
        object.__setattr__(self, "_write", write)

    def __getitem__(self, name: str) -> int:
        return self._file.read(name)

    def __setitem__(self, name: str, value: int) -> None:
        self._write(*self._file.merged(name, value))

    def __getattr__(self, name: str) -> int:
        try:
            return self[name]
        except NoSuchRegisterError as error:
            raise AttributeError(str(error)) from None

    def __setattr__(self, name: str, value: int) -> None:
        self[name] = value

    def __dir__(self) -> list[str]:
        return list(self._file.names())
