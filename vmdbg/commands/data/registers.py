"""registers."""

from __future__ import annotations

from vmdbg.commands.declare import command
from vmdbg.debugger.registers import NoSuchRegisterError
from vmdbg.document.document import Document, Style, Text, document, hexadecimal, joined, pairs, text
from vmdbg.session.registry import Arguments, Group, Parser
from vmdbg.session.session import Session
from vmdbg.x86.descriptors import Selector, segment_from_cache
from vmdbg.x86.mode import Width
from vmdbg.x86.registers import BY_NAME, GENERAL, REGISTERS, SEGMENTS, SUB_REGISTERS, set_flags
from vmdbg.x86.registers import Group as RegisterGroup

GROUPS = {group.value: group for group in RegisterGroup}


def declare(parser: Parser) -> None:
    parser.add_argument(
        "names", nargs="*", metavar="REGISTER", help="registers or groups: " + ", ".join([*GROUPS, "all"])
    )


@command(
    "registers",
    Group.LOOK,
    declare,
    aliases=("info registers", "info all-registers", "regs", "r", "info cpu"),
    examples=("registers", "registers rax cr0", "registers control", "registers --json"),
)
def registers(session: Session, arguments: Arguments) -> Document:
    """Show registers: the general ones, the segments and the control registers, or those named.

    Flags and control registers come with the names of the bits that are set. `flags` explains each bit.
    """
    if not arguments.names:
        return _summary(session)
    rows: list[tuple[str, Text]] = []
    for name in arguments.names:
        rows += [(one, _value(session, one)) for one in _named(session, name)]
    return document(pairs(rows))


def _named(session: Session, name: str) -> list[str]:
    word = session.registers.canonical(name)
    if word == "all":
        return [one.name for one in REGISTERS if one.name in session.registers]
    if word in GROUPS and word not in session.registers:
        found = [one.name for one in REGISTERS if one.group is GROUPS[word] and one.name in session.registers]
        if not found:
            raise NoSuchRegisterError(f"the CPU has no registers of the group {word}: its model lacks them")
        return found
    if name not in session.registers and word not in session.registers:
        raise NoSuchRegisterError(f"there is no register or group {name!r}; groups: {', '.join(GROUPS)}")
    return [word]


def _value(session: Session, name: str) -> Text:
    value = session.registers.read(name)
    part = SUB_REGISTERS.get(name)
    register = BY_NAME.get(name)
    bits = part.bits if part is not None else register.bits if register is not None else 64
    shown = hexadecimal(value, bits // 4)
    note = set_flags(name, value) if register is not None and register.layout else ""
    if not note and bits == 64:
        note = session.describe(value)
    words = joined((shown, text(f"  {note}", Style.DIM))) if note else shown
    return Text(words.spans, f"{value:#x}")


def _summary(session: Session) -> Document:
    """What fits a screen. In 16- and 32-bit code the registers have 32 bits."""
    mode = session.registers.mode
    wide = mode.width is Width.BITS64
    names = GENERAL if wide else tuple(f"e{name[1:]}" for name in GENERAL[:8])
    pointer = "rip" if wide else "eip"
    lines = [text(f"{mode.value} mode, ring {session.registers.cpl}, tick {session.debugger.position}", Style.HEADING)]
    cells = [_cell(session, name, 16 if wide else 8) for name in names]
    lines += [joined(_spaced(cells[start : start + 4])) for start in range(0, len(cells), 4)]
    here = session.describe(session.debugger.pc)
    lines.append(joined((_cell(session, pointer, 16 if wide else 8), text(f"  {here}", Style.SYMBOL))))
    rows = [(name, _value(session, name)) for name in ("rflags", "cr0", "cr2", "cr3", "cr4", "efer")]
    segments = [(name, _segment(session, name)) for name in (*SEGMENTS, "ldtr", "tr")]
    tables = [(name, _table(session, name)) for name in ("gdtr", "idtr")]
    value = {name: f"{session.registers.read(name):#x}" for name in (*GENERAL, "rip")}
    value |= {name: str(words.data) for name, words in (*rows,)}
    value |= {name: f"{session.registers.read(name):#x}" for name in SEGMENTS}
    return document(*lines, pairs([*rows, *segments, *tables]), value=value)


def _spaced(cells: list[Text]) -> list[Text | str]:
    spaced: list[Text | str] = []
    for cell in cells:
        spaced += [cell, "  "]
    return spaced[:-1]


def _cell(session: Session, name: str, digits: int) -> Text:
    return joined((text(f"{name:>3} ", Style.LABEL), hexadecimal(session.registers.read(name), digits)))


def _segment(session: Session, name: str) -> Text:
    read = session.registers.read
    segment = segment_from_cache(read(f"{name}_base"), read(f"{name}_limit"), read(f"{name}_flags"))
    selector = read(name)
    kind = segment.kind if segment.present else "not present"
    note = f"  base {segment.base:#x} limit {segment.limit:#x} dpl {segment.dpl}, {kind}"
    where = f"  {Selector(selector)}" if session.registers.mode.is_protected else ""
    return joined((hexadecimal(selector, 4), note, text(where, Style.DIM)), f"{selector:#x}")


def _table(session: Session, name: str) -> Text:
    base, limit = session.registers.read(f"{name}_base"), session.registers.read(f"{name}_limit")
    return joined(("base ", hexadecimal(base), " limit ", hexadecimal(limit)), {"base": f"{base:#x}", "limit": limit})
