"""send."""

from __future__ import annotations

from devices.board.acpi_pm import PowerButton
from devices.serial.feed import SerialInput
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.machine.inputs import NmiButton
from vmdbg.session.registry import Arguments, Effect, Group, Parser, command
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what to type; \\n is the Enter key, \\x03 Ctrl-C")
    parser.add_argument("--port", type=int, default=0, choices=(0, 1, 2, 3), metavar="NUMBER", help="serial port (0)")


@command("send", Group.DEVICES, declare, aliases=("type",), examples=('send "help\\n"',), effect=Effect.CHANGES)
def send(session: Session, arguments: Arguments) -> Document:
    """Type text at the guest's serial console. The guest reads it when it runs on."""
    try:
        data = arguments.text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise UserError(f"{arguments.text!r} has an escape that is none: {error}") from error
    session.debugger.timeline.push(SerialInput(arguments.port, data))
    return document(f"{len(data)} bytes typed at serial port {arguments.port}")


def declare_press(parser: Parser) -> None:
    parser.add_argument("button", choices=("power", "nmi"), metavar="BUTTON", help="power or nmi")


@command("press", Group.DEVICES, declare_press, examples=("press power",), effect=Effect.CHANGES)
def press(session: Session, arguments: Arguments) -> Document:
    """Press the power button, or raise a non-maskable interrupt."""
    session.debugger.timeline.push(PowerButton() if arguments.button == "power" else NmiButton())
    return document(f"{arguments.button} pressed")
