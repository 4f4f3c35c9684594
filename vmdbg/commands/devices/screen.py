"""screen and screenshot."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Json, Picture, Style, document, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("--all", action="store_true", help="empty lines at the end too")
    parser.add_argument("--picture", action="store_true", help="characters as a picture, in their colours, too")
    parser.add_argument("--columns", type=int, metavar="NUMBER", help="characters a line of text memory (80)")
    parser.add_argument("--rows", type=int, metavar="NUMBER", help="its lines (25)")


@command(
    "screen",
    Group.DEVICES,
    declare,
    aliases=("vga", "info screen"),
    examples=("screen", "screen --picture", "screen --json"),
)
def screen(session: Session, arguments: Arguments) -> Document:
    """Show what a monitor at the machine shows: characters, or graphics in half blocks, or as good as the terminal can.

    Without `--vga std` that is text memory, B8000h or where the CRTC begins. `screenshot` keeps the picture.
    """
    from vmdbg.session.screen import display_of, frame_of, text_of

    machine = session.debugger.machine
    lines = _text_memory(session, arguments)
    if lines is None and not arguments.picture:
        lines = text_of(machine)
    if lines is None:
        frame, vga = frame_of(machine), display_of(machine)
        mode = vga.mode_text() if vga is not None else "text"
        words = f"a picture of {frame.width}x{frame.height} dots ({mode}): `screenshot FILE.png` keeps it"
        value: Json = {"width": frame.width, "height": frame.height, "mode": mode}
        return Document((Picture(frame.width, frame.height, frame.rgb, words),), value)
    while lines and not lines[-1] and not arguments.all:
        lines.pop()
    if not lines:
        return document(text("the screen is empty", Style.DIM), value=[])
    return document(*(text(line) for line in lines), value=list(lines))


def _text_memory(session: Session, arguments: Arguments) -> list[str] | None:
    """The lines of text memory where the user says how long and many they are."""
    if arguments.columns is None and arguments.rows is None:
        return None
    from vmdbg.session.screen import COLUMNS, LINES, display_of, lines_of, text_cells

    columns = COLUMNS if arguments.columns is None else arguments.columns
    rows = LINES if arguments.rows is None else arguments.rows
    if not 1 <= columns <= 256 or not 1 <= rows <= 256:
        raise UserError("a screen has 1 to 256 columns and rows")
    if display_of(session.debugger.machine) is not None:
        raise UserError("the display says itself how many columns and rows it has: leave --columns and --rows out")
    return lines_of(text_cells(session.debugger.machine, columns, rows), columns)


def declare_screenshot(parser: Parser) -> None:
    parser.add_argument("file", metavar="FILE", help="a new file, .png; none is ever overwritten")


@command("screenshot", Group.DEVICES, declare_screenshot, examples=("screenshot here.png",), effect=Effect.FILES)
def screenshot(session: Session, arguments: Arguments) -> Document:
    """Write what a monitor at the machine shows at this instant, past or present, as a PNG file."""
    from vmdbg.session.screenshot import write_screenshot

    path, frame = write_screenshot(session, arguments.file)
    return document(
        f"{path}: {frame.width}x{frame.height}", value={"file": str(path), "width": frame.width, "height": frame.height}
    )
