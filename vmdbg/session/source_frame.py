"""One row of a backtrace as the source has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.seam import Frame as CpuFrame

if TYPE_CHECKING:
    from vmdbg.dwarf.frame import Frame
    from vmdbg.dwarf.scopes import Scope


@dataclass(frozen=True, slots=True)
class SourceFrame:
    """One row of a backtrace. Several are of one `physical` frame if functions were inlined.

    `debug` and `scope` are None where no debug information covers the code; `file` and `line` are "" and 0 then.
    """

    number: int
    physical: CpuFrame
    debug: Frame | None = None
    scope: Scope | None = None
    file: str = ""
    line: int = 0

    @property
    def is_inlined(self) -> bool:
        return self.scope is not None and self.scope.is_inlined

    @property
    def function(self) -> str:
        """As the source has it; "" if it is not known."""
        return self.scope.name if self.scope is not None else ""

    @property
    def position(self) -> str:
        """`file:line`, or ""."""
        return f"{self.file}:{self.line}" if self.file and self.line else self.file
