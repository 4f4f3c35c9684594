"""pagewalk."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.debugger.memory import paging_of
from vmdbg.document.document import Document, Style, Text, address, document, hexadecimal, joined, table, text
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.page_access import Access, check_access
from vmdbg.x86.page_walk import Entry, Walk, walk
from vmdbg.x86.paging import Paging

ALIGNMENT_CHECK = 1 << 18
"""RFLAGS.AC."""
BY_MODE = ("SMAP", "SMEP", "PKRU")
ADDRESS_BITS = 0x000F_FFFF_FFFF_F000
BITS = {
    "P": "present",
    "R/W": "writable",
    "U/S": "user",
    "PWT": "write-through",
    "PCD": "cache disabled",
    "A": "accessed",
    "D": "dirty",
    "PS": "maps a large page",
    "G": "global",
    "PAT": "page-attribute index bit",
    "XD": "no execution",
}


def declare(parser: Parser) -> None:
    parser.add_argument("address", metavar="ADDRESS", help="linear address, symbol or segment:offset")
    parser.add_argument("--cr3", default="", metavar="EXPRESSION", help="another address space")


@command(
    "pagewalk",
    Group.CPU,
    declare,
    aliases=("pw", "page", "pte", "vtop", "info tab"),
    examples=("pagewalk rip", "pagewalk rsp --cr3 cr3", "pagewalk rip --json"),
)
def pagewalk(session: Session, arguments: Arguments) -> Document:
    """Walk the page tables for an address: every level's entry with each bit explained, and who may do what.

    Nothing is set on the way: accessed and dirty bits stay as they are.
    """
    linear = session.linear(arguments.address)
    cr3 = session.cr3(arguments.cr3)
    paging = paging_of(session.debugger.engine, cr3)
    found = walk(session.debugger.physical, paging, linear)
    title = joined((text(f"{paging.mode.value} of linear ", Style.HEADING), address(linear), f", CR3 {paging.cr3:#x}"))
    return document(
        title,
        table(
            ("level", "at physical", "entry", "points to", "bits"),
            (_row(entry, found.permissions.protection_key) for entry in found.entries),
        ),
        *_outcome(found, paging, bool(session.registers.read("rflags") & ALIGNMENT_CHECK)),
    )


def _row(entry: Entry, key: int) -> tuple[Text, ...]:
    words = ", ".join(BITS.get(flag, flag) for flag in entry.flags) if entry.present else "not present"
    if entry.leaf and key:
        words += f", protection key {key}"
    target = entry.raw & ADDRESS_BITS
    return (
        text(entry.name, Style.LABEL),
        address(entry.address, 10),
        hexadecimal(entry.raw, 16),
        text("", value=None) if not entry.present else address(target, 10),
        text(words, Style.PLAIN if entry.present else Style.BAD),
    )


def _outcome(found: Walk, paging: Paging, alignment_check: bool) -> list[Text]:
    if found.physical is None:
        return [text(f"fault: {found.fault}", Style.BAD)]
    size = f"{found.page_size >> 10} KiB page" if found.entries else "identity"
    lines = [
        joined(
            (
                "physical ",
                address(found.physical),
                f", {size}, {found.permissions}, PAT index {found.permissions.pat_index}",
            )
        )
    ]
    if found.entries:
        lines += _allowed(found, paging, alignment_check)
    return lines


def _allowed(found: Walk, paging: Paging, alignment_check: bool) -> list[Text]:
    """What each ring may do, and below it what is refused though the entries would allow it."""
    parts: list[Text | str] = []
    reasons: dict[str, list[str]] = {}
    for ring, cpl in (("kernel", 0), ("user", 3)):
        words = []
        for access in Access:
            fault = check_access(found, paging, access, cpl, alignment_check=alignment_check)
            words.append(text(access.value, Style.GOOD) if fault is None else text(f"no {access.value}", Style.BAD))
            if fault is not None and fault.reason.startswith(BY_MODE):
                reasons.setdefault(f"{fault.reason}, #PF({fault.error_code:#x})", []).append(f"{ring} {access.value}")
        parts += [f"{', ' if parts else ''}{ring}: ", words[0], " ", words[1], " ", words[2]]
    because = [text(f"no {' and '.join(refused)}: {reason}", Style.DIM) for reason, refused in reasons.items()]
    if paging.smap and found.permissions.user and alignment_check:
        because.append(text("RFLAGS.AC is set, which lifts SMAP for the kernel's reads and writes now", Style.DIM))
    return [joined(parts), *because]
