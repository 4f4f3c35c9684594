"""send."""

from __future__ import annotations

from devices.board.acpi_pm import PowerButton
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.machine.console import HVC, typed
from vmdbg.machine.inputs import NmiButton
from vmdbg.session.keyboard import typed_events, unescaped, unescaped_bytes
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what to type; \\n is the Enter key, \\x03 Ctrl-C")
    port = "serial port (0); 4 is the virtio console"
    parser.add_argument("--port", type=int, choices=range(HVC + 1), metavar="NUMBER", help=port)
    parser.add_argument("--keyboard", "-k", action="store_true", help="at the PC's keyboard instead")


@command(
    "send",
    Group.DEVICES,
    declare,
    examples=('send "help\\n"', 'send --keyboard "dir\\n"'),
    effect=Effect.CHANGES,
)
def send(session: Session, arguments: Arguments) -> Document:
    """Type text at the guest's serial console, or at the PC's keyboard. The guest reads it when it runs on."""
    if not arguments.keyboard:
        data, port = unescaped_bytes(arguments.text), arguments.port or 0
        session.debugger.timeline.push(typed(port, data))
        return document(f"{len(data)} bytes typed at serial port {port}")
    if arguments.port is not None:
        raise UserError("send: --keyboard and --port are two places to type at: give one")
    characters = unescaped(arguments.text)
    session.debugger.timeline.push(typed_events(characters))
    return document(f"{len(characters)} keys typed at the keyboard")


def declare_press(parser: Parser) -> None:
    parser.add_argument("button", choices=("power", "nmi"), metavar="BUTTON", help="power or nmi")


@command("press", Group.DEVICES, declare_press, examples=("press power",), effect=Effect.CHANGES)
def press(session: Session, arguments: Arguments) -> Document:
    """Press the power button, or raise a non-maskable interrupt."""
    session.debugger.timeline.push(PowerButton() if arguments.button == "power" else NmiButton())
    return document(f"{arguments.button} pressed")
