"""The registers of a stop: those that changed are marked."""

from __future__ import annotations

from vmdbg.commands.code.context_state import MARGIN, ContextState
from vmdbg.document.document import Block, Style, Text, joined, text
from vmdbg.session.session import Session
from vmdbg.x86.mode import Width
from vmdbg.x86.registers import GENERAL, SEGMENTS, set_flags

MOST_IN_A_ROW = 4


def registers(session: Session, state: ContextState) -> list[Block]:
    wide = session.registers.mode.width is Width.BITS64
    names = list(GENERAL if wide else GENERAL[:8])
    if not state.size.all_registers:
        names = [name for name in names if name == "rsp" or state.style(name) is Style.CHANGED]
    lines: list[Block] = []
    plain = [_cell(state, name, wide) for name in names]
    lines += _rows(plain, session.columns, MOST_IN_A_ROW)
    pointer = "rip" if wide else "eip"
    where = session.describe(session.debugger.pc)
    flags = joined((text("rflags ", Style.LABEL), text(_flags(state.now["rflags"]), state.style("rflags"))))
    head = joined((text(f"{pointer} ", Style.LABEL), text(_wide(state.now["rip"], wide), state.style("rip"))))
    here = joined((head, text(f" <{where}>" if where else "", Style.SYMBOL)))
    fits = len(f"{here}  {flags}") + MARGIN <= session.columns
    lines += [joined((here, "  ", flags))] if fits else [here, flags]
    changed = [name for name in ("cr0", "cr3", "cr4", "efer", *SEGMENTS) if state.style(name) is Style.CHANGED]
    if not session.registers.mode.is_long or changed:
        lines += _segments(state, session.columns)
    return lines


def _rows(cells: list[Text], columns: int, most: int, gap: str = "  ") -> list[Block]:
    """Cells of the same width, as many in a row as fit."""
    fitting = (columns - MARGIN + len(gap)) // (max(len(str(cell)) for cell in cells) + len(gap))
    row = max(1, min(most, fitting))
    return [joined(_gapped(cells[start : start + row], gap)) for start in range(0, len(cells), row)]


def _wide(value: int, wide: bool) -> str:
    return f"{value:016x}" if wide else f"{value & 0xFFFFFFFF:08x}"


def _cell(state: ContextState, name: str, wide: bool) -> Text:
    label = name if wide else f"e{name[1:]}"
    return joined((text(f"{label:>3} ", Style.LABEL), text(_wide(state.now[name], wide), state.style(name))))


def _gapped(cells: list[Text], gap: str) -> list[Text | str]:
    return [part for cell in cells for part in (cell, gap)][:-1]


def _flags(value: int) -> str:
    return f"{value:#x} [{set_flags('rflags', value)}]"


def _segments(state: ContextState, columns: int) -> list[Block]:
    names = (*SEGMENTS, "cr0", "cr3", "cr4", "efer")
    cells = [joined((text(f"{name} ", Style.LABEL), text(f"{state.now[name]:x}", state.style(name)))) for name in names]
    whole = joined(_gapped(cells, " "))
    return [whole] if len(str(whole)) + MARGIN <= columns else _rows(cells, columns, len(cells), " ")
