"""The variables that a frame sees, by kind. What is damaged counts as not there."""

from __future__ import annotations

from collections.abc import Callable

from elftools.dwarf.compileunit import CompileUnit

from vmdbg.dwarf.debug_file import DAMAGE
from vmdbg.dwarf.scopes import Scope, Variable
from vmdbg.dwarf.statics import function_statics, unit_variables


class FrameVariables:
    """Of one function of the frame, whose code is in `unit` as far as that is known."""

    def __init__(self, scope: Scope, unit: CompileUnit | None) -> None:
        self._scope = scope
        self._unit = unit

    def parameters(self) -> list[Variable]:
        """In the order of the source."""
        return _whole(self._scope.parameters)

    def locals(self) -> list[Variable]:
        """The innermost block's first."""
        return _whole(lambda: [one for one in self._scope.locals() if not one.is_declared_elsewhere])

    def statics(self) -> list[Variable]:
        """Those of the function, then those that are seen in its file alone."""
        return _whole(lambda: [*function_statics(self._scope), *self._of_unit(own=True)])

    def file_globals(self) -> list[Variable]:
        """Those that the frame's file defines for others too."""
        return _whole(lambda: list(self._of_unit(own=False)))

    def _of_unit(self, *, own: bool) -> tuple[Variable, ...]:
        if self._unit is None:
            return ()
        found = unit_variables(self._unit)
        return found.own if own else found.shared


def _whole(listed: Callable[[], list[Variable]]) -> list[Variable]:
    try:
        return listed()
    except DAMAGE:
        return []
