"""devices."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from vmdbg.document.document import Document, Style, Text, document, pairs, section, table, text
from vmdbg.errors import UserError
from vmdbg.session.registry import Arguments, Group, Parser, command, did_you_mean
from vmdbg.session.session import Session

WHAT = {
    "lapic": "local APIC",
    "pic": "two 8259A interrupt controllers",
    "ioapic": "82093AA I/O APIC",
    "pit": "8254 timer",
    "port61": "system control port B: speaker, gate of counter 2",
    "rtc": "MC146818 clock and CMOS memory",
    "a20": "gate of address line 20",
    "i8042": "keyboard controller",
    "port92": "system control port A: A20, fast reset",
    "acpi-pm": "ACPI power management: timer, buttons, sleep",
    "apm": "command and status latches of APM",
    "pci": "PCI configuration, mechanism 1",
    "host-bridge": "PCI host bridge, 00:00.0",
    "dma1": "8237A DMA controller, channels 0 to 3",
    "dma2": "8237A DMA controller, channels 4 to 7",
    "dma-page": "page registers of the DMA controllers",
    "debugcon": "debug console: what is written is shown",
    "seabios-debugcon": "debug console of SeaBIOS",
    "test-exit": "ends the run with the value written",
    "irq3": "interrupt line that COM2 and COM4 share",
    "irq4": "interrupt line that COM1 and COM3 share",
} | {f"com{n}": "16550A serial port" for n in range(1, 5)} | {
    f"com{n}-input": f"what was typed and com{n} has not taken yet" for n in range(1, 5)
}  # fmt: skip


def declare(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="DEVICE", help="which; `all` for every one")


@command(
    "devices",
    Group.DEVICES,
    declare,
    aliases=("device", "info device", "info devices", "info qtree"),
    examples=("devices", "devices pic", "devices pit rtc", "devices com1 --json"),
)
def devices(session: Session, arguments: Arguments) -> Document:
    """List the devices, or show the registers of some in the words of their data sheets."""
    known = session.debugger.machine.pc.devices
    if not arguments.names:
        return _list(session, known)
    names = list(known) if arguments.names == ["all"] else arguments.names
    return Document(tuple(section(name, pairs(_rows(session, _find(known, name)))) for name in names))


def _find(known: dict[str, Any], name: str) -> Any:
    if name not in known:
        raise UserError(f"there is no device {name!r}{did_you_mean(name, known)}; there are: {', '.join(known)}")
    return known[name]


def _list(session: Session, known: dict[str, Any]) -> Document:
    claims: dict[str, list[str]] = {}
    for claim in session.debugger.machine.pc.ports.claims():
        ports = claim.addresses
        span = f"{ports.start:x}" if len(ports) == 1 else f"{ports.start:x}-{ports.stop - 1:x}"
        claims.setdefault(claim.name, []).append(span)
    rows = [
        (text(name, Style.LABEL), text(" ".join(claims.get(name, ())), Style.ADDRESS), text(WHAT.get(name, "")))
        for name in known
    ]
    return document(table(("name", "ports", "what"), rows))


def _rows(session: Session, device: Any) -> list[tuple[str, Text]]:
    """What the chip says of itself; its saved state where it says nothing."""
    describe = getattr(device, "describe", None)
    if describe is None:
        state = device.save()
        return [(field.name, text(str(getattr(state, field.name)))) for field in dataclasses.fields(state)]
    if "now" in inspect.signature(describe).parameters:
        return [(name, text(words)) for name, words in describe(session.debugger.machine.clock)]
    return [(name, text(words)) for name, words in describe()]
