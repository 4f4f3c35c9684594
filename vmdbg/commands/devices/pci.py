"""pci."""

from __future__ import annotations

from devices.pci import config_space as cs
from devices.pci.config_space import ConfigSpace, Place
from devices.pci.describe import class_name, function_rows, identity_text
from devices.pci.piix import PIRQS, pirq_of
from vmdbg.commands.declare import command
from vmdbg.document.document import Block, Document, Style, document, pairs, section, table, text
from vmdbg.document.hexdump_format import dump_lines
from vmdbg.errors import UserError
from vmdbg.machine.pc import Pc
from vmdbg.session.registry import Arguments, Group, Parser, did_you_mean
from vmdbg.session.session import Session

_BYTES_A_ROW = 16


def declare(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="PCI-FUNCTION", help="by name, or place as 00:01.0")
    parser.add_argument("-x", dest="raw", action="store_true", help="the bytes of the configuration space too")


@command("pci", Group.DEVICES, declare, aliases=("lspci",), examples=("pci", "pci isa-bridge", "pci 00:01.3 -x"))
def pci(session: Session, arguments: Arguments) -> Document:
    """List the functions on the PCI bus, or show some with their base addresses, interrupts and capabilities."""
    pc = session.debugger.machine.pc
    if not arguments.names:
        return _list(pc)
    found = [_find(pc, name) for name in arguments.names]
    return Document(
        tuple(section(f"{place} {name}", *_shown(pc, place, arguments.raw), key=name) for place, name in found)
    )


def _list(pc: Pc) -> Document:
    rows = [
        (
            text(str(place), Style.ADDRESS),
            text(name, Style.LABEL),
            text(identity_text(function)),
            text(class_name(_class_code(function))),
            text(_interrupt(pc, place, function)),
        )
        for place, name, function in pc.pci.placed()
    ]
    return document(table(("place", "name", "vendor:device", "class", "interrupt"), rows))


def _shown(pc: Pc, place: Place, raw: bool) -> list[Block]:
    function = pc.pci.functions[place.number]
    rows = [(what, text(words)) for what, words in function_rows(function)]
    wired = _interrupt(pc, place, function)
    blocks: list[Block] = [pairs([*rows, *([("wired to", text(wired))] if wired else [])])]
    if raw:
        blocks += dump_lines(0, bytes(function.read_config(at, 1) for at in range(cs.CONFIG_SPACE_SIZE)))
    return blocks


def _class_code(function: ConfigSpace) -> int:
    return function.read_config(cs.CLASS_CODE + 1, 1) | function.read_config(cs.CLASS_CODE + 2, 1) << 8


def _interrupt(pc: Pc, place: Place, function: ConfigSpace) -> str:
    """Where the pin leads; nothing for a function without one."""
    pin = function.read_config(cs.INTERRUPT_PIN, 1)
    if not 1 <= pin <= PIRQS or pc.i440fx is None:
        return ""
    pirq = pirq_of(place, pin)
    irq = pc.i440fx.isa_bridge.routed_to(pirq)
    return f"INT{'ABCD'[pin - 1]}# PIRQ{'ABCD'[pirq]}# {'not routed' if irq is None else f'IRQ {irq}'}"


def _find(pc: Pc, wanted: str) -> tuple[Place, str]:
    known = [(place, name) for place, name, _ in pc.pci.placed()]
    for place, name in known:
        if wanted in (name, str(place), str(place).partition(":")[2]):
            return place, name
    names = [name for _, name in known]
    raise UserError(f"there is no PCI function {wanted!r}{did_you_mean(wanted, names)}; there are: {', '.join(names)}")
