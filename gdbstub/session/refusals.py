"""How a client is told that, and why, something was refused: in words wherever it shows them to its user.

Clients that offer `error-message` (gdb since 16) take text in every reply, LLDB in a form of its own. Older gdbs take
``E.text`` for an error in all replies but those that carry data, and show it for most. What no gdb shows is printed on
its console at the next occasion that the protocol gives, and in the server's log at once.
"""

from __future__ import annotations

from gdbstub.errors import MemoryAccessError
from gdbstub.replies import ErrorStyle, Failure
from gdbstub.requests import Request
from gdbstub.requests.breakpoints import BreakpointsRequest, CatchSystemCalls, InsertBreakpoint
from gdbstub.requests.execution import ExecutionRequest
from gdbstub.requests.general import Attach, Kill, Run
from gdbstub.requests.memory import WriteMemory
from gdbstub.requests.registers import WriteRegister, WriteRegisters
from gdbstub.session.console import console
from gdbstub.session.context import Context

_TAKES_TEXT = WriteRegister | WriteRegisters | BreakpointsRequest | ExecutionRequest | Attach | Kill | Run
_HIDES_TEXT = WriteMemory | InsertBreakpoint | CatchSystemCalls
"""gdb up to 18 says only that memory cannot be accessed; LLDB hides the text of memory writes alone."""

MAX_UNSAID = 8


def style_for(context: Context, request: Request) -> ErrorStyle:
    """How this client reads an error in the reply to `request`."""
    style = context.error_style
    if style is ErrorStyle.NUMBER and context.features and not context.lldb and isinstance(request, _TAKES_TEXT):
        return ErrorStyle.TEXT
    return style


def remember(context: Context, request: Request, failure: Failure) -> None:
    """Keep for the console what the client's user will not see of the reply; log what is more than a bad address."""
    hides = isinstance(request, WriteMemory if context.lldb else _HIDES_TEXT)
    if hides and failure.text not in context.unsaid:
        if failure.errno != MemoryAccessError.errno:
            context.log(f"gdb was refused: {failure.text}")
        context.unsaid[failure.text] = None
        while len(context.unsaid) > MAX_UNSAID:
            del context.unsaid[next(iter(context.unsaid))]


def say_unsaid(context: Context) -> None:
    """The protocol has an occasion for text now: before a stop reply, or in a monitor command."""
    if context.unsaid:
        console(context, "".join(f"refused: {text}\n" for text in context.unsaid))
        context.unsaid.clear()
