"""Frames of the stopped guest for scripts: functions, lines and variables by the names of the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vmdbg.c.values import Value
from vmdbg.errors import UserError
from vmdbg.session.session import Session
from vmdbg.session.source_frame import SourceFrame


class Frame:
    """One row of the call stack, good until the guest moves.

    `frame["file"].f_pos` is a variable of it as a typed value (vmdbg.c.values.Value): int(), str(), members as
    attributes, elements by index. What the compiler has optimized out raises when it is read, and prints as such.
    """

    def __init__(self, session: Session, row: SourceFrame) -> None:
        self._session = session
        self._row = row

    @property
    def number(self) -> int:
        """0 is the innermost."""
        return self._row.number

    @property
    def pc(self) -> int:
        """The linear address at which the frame goes on."""
        return self._row.physical.pc

    @property
    def function(self) -> str:
        """As the source has it, else the symbol; "" if neither is known."""
        location = self._row.physical.location
        return self._row.function or (location.symbol.name if location is not None else "")

    @property
    def file(self) -> str:
        """Of the source; "" if it is not known."""
        return self._row.file

    @property
    def line(self) -> int:
        """0 if it is not known."""
        return self._row.line

    @property
    def inlined(self) -> bool:
        """Whether the function has no frame of its own: the compiler put it into that of the next row."""
        return self._row.is_inlined

    @property
    def registers(self) -> Mapping[str, int]:
        """Those that are known of the frame."""
        return dict(self._row.physical.registers)

    @property
    def arguments(self) -> dict[str, Value]:
        return dict(self._session.frames.parameters(self._row))

    @property
    def locals(self) -> dict[str, Value]:
        """Of the innermost block that has the name."""
        return dict(reversed(self._session.frames.locals(self._row)))

    def __getitem__(self, name: str) -> Value:
        """A variable or argument. Raises UserError."""
        found = {**self.arguments, **self.locals}
        if name not in found:
            raise UserError(f"{self.function or 'this frame'} has no variable {name!r}")
        return found[name]

    def __iter__(self) -> Iterator[str]:
        return iter({**self.arguments, **self.locals})

    def __repr__(self) -> str:
        line = f" {self._row.position}" if self._row.position else ""
        return f"<{self.number}: {self.function or hex(self.pc)}{line}>"
