"""screen."""

from __future__ import annotations

from devices.display.vga_text import VgaText
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, document, text
from vmdbg.errors import UserError
from vmdbg.machine.pc import Pc
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import Physical

TEXT_MEMORY, TEXT_SIZE = 0xB8000, 0x8000
COLUMNS, ROWS = 80, 25


def declare(parser: Parser) -> None:
    parser.add_argument("--all", action="store_true", help="empty lines at the end too")
    parser.add_argument("--columns", type=int, default=COLUMNS, metavar="NUMBER", help="characters a line (80)")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="NUMBER", help="lines (25)")


@command("screen", Group.DEVICES, declare, aliases=("vga", "info screen"), examples=("screen", "screen --json"))
def screen(session: Session, arguments: Arguments) -> Document:
    """Show what is in VGA text memory, B8000h or where the CRTC begins: a character and its colours in every word."""
    columns, rows = arguments.columns, arguments.rows
    if not 1 <= columns <= 256 or not 1 <= rows <= 256:
        raise UserError("a screen has 1 to 256 columns and rows")
    start = TEXT_MEMORY + _start(session.debugger.machine.pc, columns * rows)
    data = session.debugger.physical.read(Physical(start), columns * rows * 2)
    characters = data[::2].decode("cp437").replace("\0", " ")
    lines = [characters[start : start + columns].rstrip() for start in range(0, columns * rows, columns)]
    while lines and not lines[-1] and not arguments.all:
        lines.pop()
    if not lines:
        return document(text("the screen is empty", Style.DIM), value=[])
    return document(*(text(line) for line in lines), value=list(lines))


def _start(pc: Pc, characters: int) -> int:
    """Bytes from the beginning of text memory; 0 where the screen would reach beyond it, or nobody says."""
    vga = pc.devices.get(VgaText.name)
    start = vga.start * 2 if isinstance(vga, VgaText) else 0
    return start if start + characters * 2 <= TEXT_SIZE else 0
