"""io."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, Text, document, hexadecimal, table, text
from vmdbg.errors import UserError
from vmdbg.session.numbers import port
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session


def declare(parser: Parser) -> None:
    parser.add_argument("port", nargs="?", default="", metavar="EXPRESSION", help="who answers at this port")
    parser.add_argument("--unclaimed", action="store_true", help="accesses that no device answered")


@command("io", Group.DEVICES, declare, aliases=("ports", "info io"), examples=("io", "io 0x3f8", "io --unclaimed"))
def io(session: Session, arguments: Arguments) -> Document:
    """Show which device answers at which I/O ports, and the ports that the guest asked in vain.

    `query ports PORT` lists all accesses of the history.
    """
    ports = session.debugger.machine.pc.ports
    if arguments.unclaimed:
        if arguments.port:
            raise UserError("io --unclaimed lists all ports that were asked in vain: leave out the port")
        return document(table((">port", "direction", ">times"), _unclaimed(session)))
    wanted = port(session.integer(arguments.port)) if arguments.port else None
    rows = [
        (
            text(f"{claim.addresses.start:04x}-{claim.addresses.stop - 1:04x}", Style.ADDRESS),
            text(claim.name, Style.LABEL),
        )
        for claim in sorted(ports.claims(), key=lambda claim: claim.addresses.start)
        if wanted is None or wanted in claim.addresses
    ]
    if not rows and wanted is not None:
        return document(text(f"no device answers at port {wanted:#x}: reads give ones", Style.DIM), value=[])
    return document(table(("ports", "device"), rows))


def _unclaimed(session: Session) -> list[tuple[Text, ...]]:
    counted = session.debugger.machine.pc.ports.unclaimed
    return [
        (hexadecimal(port, 4), text(direction.value), text(str(times), Style.NUMBER, times))
        for (direction, port), times in sorted(counted.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
