"""Which files the guest's system places, module by module and process by process, and which are where they are put."""

from __future__ import annotations

from pathlib import Path

from vmdbg.dwarf.debug_file import DebugFile
from vmdbg.errors import UserError
from vmdbg.session.module_files import ModulePlacement
from vmdbg.session.program_files import ProgramPlacement, is_program
from vmdbg.session.system import GuestSystem
from vmdbg.symbols.kernel_module import module_name
from vmdbg.symbols.table import SymbolTable


def moving_place(
    system: GuestSystem, table: SymbolTable, file: DebugFile, path: Path, slide: int | None, process: int | None
) -> ModulePlacement | ProgramPlacement | None:
    """Where an ELF file is depends on the instant; None: it is in one place. Raises UserError.

    A slide of None says that nobody has said where it is, no process that it is nobody's.
    """
    if file.sections:
        return _module(system, file, path, slide)
    if slide is None and process is None and is_program(table):
        return ProgramPlacement(system, path, file)
    return None


def _module(system: GuestSystem, file: DebugFile, path: Path, slide: int | None) -> ModulePlacement:
    """Raises UserError for another file that is not linked: nothing says where its sections are."""
    name = module_name(file, path)
    if name is None:
        raise UserError(f"{path} is not linked and no kernel module: it has no addresses")
    if slide:
        raise UserError(f"{path} is a kernel module: the guest's kernel says where its sections are, no slide does")
    found = ModulePlacement(system, name, file)
    found.check()
    return found
