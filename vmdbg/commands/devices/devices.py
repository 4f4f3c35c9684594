"""devices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from devices.catalog import FITTINGS
from devices.seam import Device
from vmdbg.commands.declare import command
from vmdbg.document.document import Document, Style, document, pairs, section, table, text
from vmdbg.errors import UserError
from vmdbg.machine.pc import Pc
from vmdbg.session.registry import Arguments, Group, Parser, did_you_mean
from vmdbg.session.session import Session
from vmdbg.session.view import View
from vmdbg.session.waiting_interrupts import named_rows


def declare(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="DEVICE", help="which; `all` for every one")
    parser.add_argument("--addable", action="store_true", help="those that `--device` of `vmdbg run` can add")


@command(
    "devices",
    Group.DEVICES,
    declare,
    aliases=("device", "info device", "info devices", "info qtree"),
    examples=("devices", "devices pic", "devices pit rtc", "devices com1 --json", "devices --addable"),
)
def devices(session: Session, arguments: Arguments) -> Document:
    """List the devices and where they answer, or show the registers of some in the words of their data sheets."""
    if arguments.addable:
        return document(
            table(("device", "what"), [(text(kind, Style.LABEL), text(f.summary)) for kind, f in FITTINGS.items()])
        )
    machine = session.debugger.machine
    known = machine.pc.devices
    if not arguments.names:
        return _list(machine.pc)
    return registers_of(session, list(known) if arguments.names == ["all"] else arguments.names)


def registers_of(view: View, names: Sequence[str]) -> Document:
    """A section a device. Raises UserError for one that is not there."""
    machine = view.debugger.machine
    known = [(name, _find(machine.pc.devices, name)) for name in names]
    found = [(name, named_rows(view, device, device.describe(machine.clock))) for name, device in known]
    return Document(tuple(section(name, pairs([(what, text(words)) for what, words in rows])) for name, rows in found))


def _find(known: Mapping[str, Device], name: str) -> Device:
    if name not in known:
        raise UserError(f"there is no device {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}")
    return known[name]


def _list(pc: Pc) -> Document:
    places: dict[str, list[str]] = {}
    for claim in (*pc.ports.claims(), *pc.memory.claims()):
        first, last = claim.addresses[0], claim.addresses[-1]
        places.setdefault(claim.name, []).append(f"{first:x}" if first == last else f"{first:x}-{last:x}")
    rows = [
        (text(name, Style.LABEL), text(" ".join(places.get(name, ())), Style.ADDRESS), text(device.title))
        for name, device in pc.devices.items()
    ]
    return document(table(("name", "where", "what"), rows))
