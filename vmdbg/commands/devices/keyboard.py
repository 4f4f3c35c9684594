"""type and send-keys: the PC's keyboard."""

from __future__ import annotations

from devices.keyboard.keys import PAUSE_NS
from devices.keyboard.layout_us import key_names
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document, text
from vmdbg.errors import UserError
from vmdbg.session.keyboard import pressed_events, typed_events, unescaped
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session

NANOSECONDS = 1_000_000
"""In a millisecond."""
SLOWEST = 3_600_000
NAMES_A_LINE = 12


def declare_type(parser: Parser) -> None:
    parser.add_argument("text", metavar="TEXT", help="what to type; \\n is the Enter key, \\x03 Ctrl-C")
    _declare_pace(parser)


@command("type", Group.DEVICES, declare_type, examples=('type "root\\n"', 'type --pace 100 "c"'), effect=Effect.CHANGES)
def type_command(session: Session, arguments: Arguments) -> Document:
    """Type text at the PC's keyboard, from now on in guest time. `send` types at a serial console."""
    characters = unescaped(arguments.text)
    session.debugger.timeline.push(typed_events(characters, _pause(arguments)))
    return document(f"{len(characters)} keys to type at the keyboard")


def declare_send_keys(parser: Parser) -> None:
    parser.add_argument("keys", nargs="*", metavar="KEYS", help="as ctrl-alt-f2: pressed together, then released")
    hold = "how long the last key of each is down, for it to repeat"
    parser.add_argument("--hold", type=float, default=0.0, metavar="SECONDS", help=hold)
    parser.add_argument("--list", action="store_true", help="the names of all keys")
    _declare_pace(parser)


@command(
    "send-keys",
    Group.DEVICES,
    declare_send_keys,
    aliases=("sendkey", "sendkeys"),
    examples=("send-keys ctrl-alt-f2", "send-keys down down enter", "send-keys a --hold 1"),
    effect=Effect.CHANGES,
)
def send_keys(session: Session, arguments: Arguments) -> Document:
    """Press keys of the PC's keyboard together and release them, one group after the other."""
    if arguments.list:
        names = key_names()
        lines = [" ".join(names[at : at + NAMES_A_LINE]) for at in range(0, len(names), NAMES_A_LINE)]
        return document(*(text(line) for line in lines), value=names)
    if not arguments.keys:
        raise UserError("send-keys: which keys? as ctrl-alt-f2; `send-keys --list` has their names")
    for event in pressed_events(arguments.keys, arguments.hold, _pause(arguments)):
        session.debugger.timeline.push(event)
    return document(f"{' '.join(arguments.keys)} to press at the keyboard")


def _declare_pace(parser: Parser) -> None:
    usual = PAUSE_NS // NANOSECONDS
    pace = f"milliseconds of guest time between a key's going down and up, and the next ({usual})"
    parser.add_argument("--pace", type=int, default=usual, metavar="MS", help=pace)


def _pause(arguments: Arguments) -> int:
    if not 0 <= arguments.pace <= SLOWEST:
        raise UserError(f"--pace is of 0 to {SLOWEST} milliseconds, not {arguments.pace}")
    return int(arguments.pace) * NANOSECONDS
