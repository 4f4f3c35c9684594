"""devices."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from vmdbg.commands.document import Document, Style, Text, document, pairs, section, table, text
from vmdbg.commands.registry import Arguments, Group, Parser, command, did_you_mean
from vmdbg.commands.session import Session
from vmdbg.errors import UserError


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
        (text(name, Style.LABEL), text(" ".join(claims.get(name, ())), Style.ADDRESS), text(_summary(device)))
        for name, device in known.items()
    ]
    return document(table(("name", "ports", "what"), rows))


def _summary(device: Any) -> str:
    return (inspect.getdoc(type(device)) or "").partition("\n")[0].removesuffix(".")


def _rows(session: Session, device: Any) -> list[tuple[str, Text]]:
    """What the chip says of itself; its saved state where it says nothing."""
    describe = getattr(device, "describe", None)
    if describe is None:
        state = device.save()
        return [(field.name, text(str(getattr(state, field.name)))) for field in dataclasses.fields(state)]
    if "now" in inspect.signature(describe).parameters:
        return [(name, text(words)) for name, words in describe(session.debugger.machine.clock)]
    return [(name, text(words)) for name, words in describe()]
