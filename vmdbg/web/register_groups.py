"""The registers of the CPU that is looked at, in groups, with what changed since the last instant."""

from __future__ import annotations

from vmdbg.commands.code.context_state import ContextState
from vmdbg.document.document import Style
from vmdbg.document.printable import printable
from vmdbg.session.session import Session
from vmdbg.web.answers import Register, RegistersView
from vmdbg.x86.mode import Width
from vmdbg.x86.registers import GENERAL, SEGMENTS, set_flags

CONTROL = ("cr0", "cr2", "cr3", "cr4", "efer", "fs_base", "gs_base")
WITH_FLAGS = ("rflags", "cr0", "cr4", "efer")


def registers_view(session: Session, state: ContextState) -> RegistersView:
    wide = session.registers.mode.width is Width.BITS64
    general = [_general(session, state, name, wide) for name in (GENERAL if wide else GENERAL[:8])]
    name, digits = ("rip", 16) if wide else ("eip", 8)
    pointer = _register(state, "rip", name, digits, session.describe(session.debugger.pc))
    segments = [_register(state, name, name, 4) for name in SEGMENTS]
    control = [_register(state, name, name, 0, _flags(state, name)) for name in CONTROL]
    flags = _register(state, "rflags", "rflags", 0, _flags(state, "rflags"))
    return RegistersView([("general", [*general, pointer, flags]), ("segments", segments), ("control", control)])


def _general(session: Session, state: ContextState, name: str, wide: bool) -> Register:
    value = state.now[name]
    means = session.describe(value) if value > 0xFFFF else ""
    return _register(state, name, name if wide else f"e{name[1:]}", 16 if wide else 8, means)


def _register(state: ContextState, name: str, shown: str, digits: int, means: str = "") -> Register:
    value = state.now[name] & ((1 << 4 * digits) - 1 if digits else (1 << 64) - 1)
    return Register(shown, f"{value:0{digits or 1}x}", state.style(name) is Style.CHANGED, printable(means))


def _flags(state: ContextState, name: str) -> str:
    return set_flags(name, state.now[name]) if name in WITH_FLAGS else ""
