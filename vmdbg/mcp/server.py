"""The tools, served on stdin and stdout by the protocol's own library (`pip install vmdbg[mcp]`)."""

from __future__ import annotations

from collections.abc import Callable

from mcp.server import MCPServer
from mcp.server.mcpserver import Image
from mcp.server.mcpserver.exceptions import ToolError

from vmdbg.errors import VmdbgError
from vmdbg.mcp.desk import LINES, Desk
from vmdbg.version import VERSION

INSTRUCTIONS = """vmdbg holds a recording of a whole machine: every instant of it can be visited, forwards and back,
and nothing that is asked changes it. Time is counted in ticks. Begin with open_recording; `command("help")` lists what
can be asked, `command("help NAME")` tells of one. To find a cause, go back from the effect: last-write,
reverse-continue, query."""


def serve(desk: Desk) -> None:
    """Until the other end closes."""
    made = MCPServer("vmdbg", instructions=INSTRUCTIONS, version=VERSION)
    _moving(made, desk)
    _looking(made, desk)
    made.run("stdio")


def _answer(ask: Callable[[], str]) -> str:
    """What is wrong is an answer, too: one that the protocol marks as an error."""
    try:
        return ask()
    except VmdbgError as error:
        raise ToolError(str(error)) from None


def _moving(made: MCPServer[object], desk: Desk) -> None:
    """All are coroutines: the machine belongs to the thread of the loop."""

    @made.tool()
    async def open_recording(path: str) -> str:
        """Open a file that `vmdbg record` has made, and stand at its end."""
        return _answer(lambda: desk.open(path))

    @made.tool()
    async def go(position: str) -> str:
        """Go to an instant: a tick, +N, -N, +20ms, 50%, start, end, or "text" that the console has written."""
        return _answer(lambda: desk.go(position))

    @made.tool()
    async def command(line: str) -> str:
        """Any command of vmdbg's prompt, as `reverse-continue`, `last-write ADDRESS` or `ps`; `help` lists them."""
        return _answer(lambda: desk.command(line))


def _looking(made: MCPServer[object], desk: Desk) -> None:
    @made.tool()
    async def query(question: str) -> str:
        """Ask the whole history, as `writes ADDRESS`, `calls FUNCTION`, `executions ADDRESS`, `disk`, `exceptions`."""
        return _answer(lambda: desk.command(f"query {question}"))

    @made.tool()
    async def evaluate(expression: str) -> str:
        """The value of an expression here: registers, memory, names and types of the guest."""
        return _answer(lambda: desk.command(f"print {expression}"))

    @made.tool()
    async def backtrace() -> str:
        """The call stack here, with arguments where they are known."""
        return _answer(lambda: desk.command("bt"))

    @made.tool()
    async def memory(address: str, size: int = 256) -> str:
        """Bytes of memory from an address or a name on, in hexadecimal and as text."""
        return _answer(lambda: desk.command(f"hexdump {address} {size}"))

    @made.tool()
    async def console(lines: int = LINES) -> str:
        """The last lines that the guest has written up to here, each with the tick at which it did."""
        return _answer(lambda: desk.console(lines))

    @made.tool(structured_output=False)
    async def screenshot() -> Image:
        """A picture of what a monitor at the machine shows here; an error where it has no display."""
        try:
            return Image(data=desk.screenshot(), format="png")
        except VmdbgError as error:
            raise ToolError(str(error)) from None

    @made.tool()
    async def screen() -> str:
        """What the guest's screen shows here, as text."""
        return _answer(lambda: desk.command("screen"))
