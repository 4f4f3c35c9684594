"""mouse."""

from __future__ import annotations

from devices.keyboard.mouse_input import BUTTONS, MouseInput
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, document
from vmdbg.errors import UserError
from vmdbg.session.mouse import mouse_button, mouse_input, need_mouse
from vmdbg.session.registry import Arguments, Effect, Group, Parser
from vmdbg.session.session import Session

MOST_CLICKS = 100
FORMS = "mouse move DX DY, mouse click|press|release [BUTTON], mouse wheel NOTCHES"


def declare(parser: Parser) -> None:
    parser.add_argument("action", choices=("move", "click", "press", "release", "wheel"), help="what to do with it")
    parser.add_argument(
        "words", nargs="*", default=[], metavar="WORD", help=f"DX DY; or {', '.join(BUTTONS)}; or notches upwards"
    )
    parser.add_argument("--times", type=int, default=1, metavar="NUMBER", help="clicks (1)")


@command(
    "mouse",
    Group.DEVICES,
    declare,
    examples=("mouse move 20 -10", "mouse click", "mouse click right --times 2", "mouse wheel -3"),
    effect=Effect.CHANGES,
)
def mouse(session: Session, arguments: Arguments) -> Document:
    """Move the mouse by counts to the right and down, press its buttons, turn its wheel; from now on in guest time."""
    need_mouse(session.debugger.machine)
    inputs = _inputs(arguments)
    for data in inputs:
        session.debugger.timeline.push(data)
    return document(f"mouse: {' '.join([arguments.action, *arguments.words])}")


def _inputs(arguments: Arguments) -> list[MouseInput]:
    words: list[str] = arguments.words
    if arguments.action in ("move", "wheel"):
        numbers = _numbers(words, 2 if arguments.action == "move" else 1)
        if arguments.action == "wheel":
            return [mouse_input(wheel=numbers[0])]
        return [mouse_input(dx=numbers[0], dy=numbers[1])]
    if len(words) > 1 or not 1 <= arguments.times <= MOST_CLICKS:
        raise UserError(f"{FORMS}; --times is 1 to {MOST_CLICKS}")
    button = mouse_button(words[0] if words else BUTTONS[0])
    down, up = mouse_input(press=button), mouse_input(release=button)
    return {"click": [down, up] * arguments.times, "press": [down], "release": [up]}[arguments.action]


def _numbers(words: list[str], count: int) -> list[int]:
    try:
        numbers = [int(word, 0) for word in words]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise UserError(FORMS)
    return numbers
