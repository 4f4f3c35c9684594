"""digest."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.document.document import Document, count, document, hexadecimal, pairs, text
from vmdbg.machine.digest import digest
from vmdbg.session.registry import Arguments, Group
from vmdbg.session.session import Session


@command("digest", Group.TIME, examples=("digest",))
def show_digest(session: Session, arguments: Arguments) -> Document:
    """Show hashes of CPU, RAM and devices: equal ones mean that the guest cannot tell two instants apart."""
    found = digest(session.debugger.machine)
    rows = [("tick", count(found.ticks)), ("rip", hexadecimal(found.rip))]
    return document(
        pairs([*rows, ("cpu", text(found.cpu)), ("ram", text(found.ram)), ("devices", text(found.devices))])
    )
