"""What a user says about a question besides what it is about: a condition, and what its rows are counted by."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vmdbg.errors import UserError, VmdbgError
from vmdbg.queries.counting import count_by
from vmdbg.queries.rows import CountRow, SampleRow
from vmdbg.queries.scan import Row
from vmdbg.session.elsewhen import elsewhen
from vmdbg.session.view import View

USER_HALF = 1 << 47
UNKNOWN_NAME = "there is no register, symbol or variable"


def condition(view: View, text: str) -> Callable[[], bool]:
    """Whether the expression is true at an instant; where it has no value it does not hold.

    Raises UserError if it is no expression, or has a name that nothing has at the end of the history.
    """
    expression = view.compile(text)
    with elsewhen(view, view.debugger.timeline.end):
        try:
            expression.evaluate()
        except VmdbgError as error:
            if UNKNOWN_NAME in str(error):
                raise UserError(f"the condition {text!r}: {error}") from error

    def holds() -> bool:
        try:
            return bool(expression.evaluate())
        except VmdbgError:
            return False

    return holds


def function_at(view: View, address: int) -> str:
    """The kernel's or program's function there, by names that the guest tells where it stands.

    Of user code under an operating system nothing is said: which program it is depends on who ran.
    """
    if address < USER_HALF and view.system.find() is not None:
        return "user code"
    return view.describe(address).rpartition("+")[0] or view.describe(address)


def counted(view: View, rows: Sequence[Row], fields: str) -> list[CountRow]:
    """Rows counted by comma-separated fields. Raises UserError."""
    wanted = [field.strip() for field in fields.split(",")]
    with elsewhen(view, view.debugger.timeline.end):
        return count_by(rows, wanted, lambda address: function_at(view, address))


def default_count(rows: Sequence[Row]) -> str:
    """What rows are counted by that make no sense one by one."""
    if not rows or not isinstance(rows[0], SampleRow):
        return ""
    return "function,task,pid" if any(row.task for row in rows) else "function"
