"""translate."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, address, document, joined, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.units import Linear


def declare(parser: Parser) -> None:
    parser.add_argument(
        "address", metavar="ADDRESS", help="linear address, symbol or segment:offset; phys:... goes back"
    )
    parser.add_argument("--cr3", default="", metavar="EXPRESSION", help="another address space")


@command(
    "translate",
    Group.CPU,
    declare,
    aliases=("v2p", "gva2gpa"),
    examples=("translate rip", "translate cs:rip", "translate phys:0x100000"),
)
def translate(session: Session, arguments: Arguments) -> Document:
    """Translate a linear address to its physical one, or with phys: a physical one to all that reach it."""
    place = session.place(arguments.address)
    if place.is_physical:
        tail = f" --cr3 ({arguments.cr3})" if arguments.cr3 else ""
        return session.run(f"who-maps {place.address:#x}{tail}")
    cr3 = session.cr3(arguments.cr3)
    linear = Linear(place.address)
    physical = session.debugger.linear(cr3).translate(linear)
    if physical is None:
        raise UserError(f"linear {linear:#x} is not mapped; pagewalk {linear:#x} tells why")
    line = joined(
        (
            "linear ",
            address(linear),
            " is physical ",
            address(physical),
            text(f"  {session.describe(linear)}", Style.SYMBOL),
        )
    )
    return document(line, value={"linear": f"{linear:#x}", "physical": f"{physical:#x}"})
