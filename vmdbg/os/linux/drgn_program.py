"""drgn over a stopped guest, or any past instant of one: the optional extra `vmdbg[drgn]`.

drgn walks the guest's page tables itself over physical memory, and takes types, symbols and unwind tables from
the ELF that `gdb_elf` writes: a kernel without a debug package will do.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from vmdbg.cores.address_space import AddressSpace
from vmdbg.cores.elf_core import write_elf_core
from vmdbg.cores.elf_notes import vmcoreinfo_note
from vmdbg.errors import UserError
from vmdbg.os.linux.drgn_objects import object_finder
from vmdbg.os.linux.operating_system import Linux
from vmdbg.os.linux.vmcoreinfo import vmcoreinfo
from vmdbg.units import Physical
from vmdbg.x86.physical_memory import UnmappedPhysicalError
from vmdbg.x86.ram import ram_end

if TYPE_CHECKING:
    import drgn


def drgn_program(linux: Linux, directory: Path, registers: bytes = b"") -> drgn.Program:
    """A `drgn.Program` of the guest as it is now; do not use it after the guest ran.

    `registers` are the notes of the CPUs as cores have them; without, stacks of running tasks are not known. Writes an
    ELF, and a core of notes alone, into `directory`. Raises `UserError` where drgn is not installed or cannot use the
    guest.
    """
    try:
        import drgn
    except ImportError as error:
        raise UserError("drgn is not installed: pip install 'vmdbg[drgn]'") from error
    view = linux.kernel.view

    def read_physical(address: int, count: int, _offset: int, _physical: bool) -> bytes:
        try:
            return view.memory.read(Physical(address), count)
        except UnmappedPhysicalError as error:
            raise drgn.FaultError(str(error), address) from error

    program = drgn.Program()
    try:
        program.set_core_dump(_written_core(linux, directory, registers))
        program.add_memory_segment(0, ram_end(view.ram_size), read_physical, True)
        program.load_debug_info([_written_elf(linux, directory)])
        program.main_module().address_ranges = [(linux.kernel.symbol("_text"), linux.kernel.symbol("_end"))]
        program.register_object_finder("vmdbg", object_finder(linux.kernel), enable_index=-1)
    except (drgn.MissingDebugInfoError, LookupError, ValueError) as error:
        raise UserError(f"drgn cannot use this guest: {error}") from error
    return program


def _written_core(linux: Linux, directory: Path, registers: bytes) -> Path:
    """drgn takes registers and VMCOREINFO from a core only; memory it reads through the program."""
    path = directory / "notes.core"
    notes = registers + vmcoreinfo_note(_without_slide(vmcoreinfo(linux)))
    with path.open("wb") as file:
        write_elf_core(file, [], AddressSpace((), (), 0), notes)
    return path


def _written_elf(linux: Linux, directory: Path) -> Path:
    path = directory / f"{linux.boot.build.build_id or 'linux'}.elf"
    path.write_bytes(linux.gdb_elf())
    return path


def _without_slide(text: bytes) -> bytes:
    """Our ELF has the true addresses already."""
    return re.sub(rb"KERNELOFFSET=[0-9a-f]+", b"KERNELOFFSET=0", text)
