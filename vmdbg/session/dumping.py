"""Files of the guest's memory and registers as the session sees them now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vmdbg.cores.address_space import AddressSpace, Memory, address_space, mapped_ranges
from vmdbg.cores.cpu_notes import cpu_notes
from vmdbg.cores.elf_core import write_elf_core
from vmdbg.cores.elf_notes import vmcoreinfo_note
from vmdbg.cores.kdump import write_kdump
from vmdbg.debugger.memory import paging_of
from vmdbg.engine.memory import blocks
from vmdbg.errors import UserError, VmdbgError
from vmdbg.session.linux import need_linux
from vmdbg.session.new_files import written_new
from vmdbg.session.view import View
from vmdbg.units import Linear, Physical

CHUNK = 1 << 20
MOST_BYTES = 1 << 36
"""Of a range: page tables can map one page at every address there is."""


@dataclass(frozen=True, slots=True)
class Dumped:
    """What a core holds. `why_not` says why it has no VMCOREINFO; `left_out` counts further ranges, `cut` has the
    beginnings of the parts of the address space that map too much.
    """

    size: int
    ranges: int
    left_out: int
    cut: tuple[int, ...]
    why_not: str


def dump_core(view: View, path: Path, *, compressed: bool = False) -> Dumped:
    """Write all memory and the CPU to a new file. Raises UserError; a file that cannot be written whole is removed."""
    memory = _memory(view)
    text, why_not = _vmcoreinfo(view)
    notes = cpu_notes(view.debugger.cpu) + (vmcoreinfo_note(text) if text else b"")
    cut: list[int] = []
    space = _space(view, memory, cut)
    with written_new(path) as file:
        if compressed:
            write_kdump(file, memory, text, notes, _release(text), view.progress)
        else:
            write_elf_core(file, memory, space, notes, view.progress)
    return Dumped(path.stat().st_size, len(space.direct) + len(space.others), space.left_out, tuple(cut), why_not)


def dump_memory(view: View, path: Path, start: int, end: int, *, physical: bool = False) -> None:
    """Write [start, end) of linear or physical memory to a new file. Raises UserError, also for a hole, named."""
    if end <= start:
        raise UserError(f"from {start:#x} to {end:#x} there is nothing: the end comes after the start")
    if end - start > MOST_BYTES:
        raise UserError(f"{end - start:#x} bytes are too many for one file: at most {MOST_BYTES:#x}")
    read = _physical_reader(view) if physical else _linear_reader(view)
    with written_new(path) as file:
        position = start
        while position < end:
            data = read(position, min(CHUNK - position % CHUNK, end - position))
            if not data:
                kind = "physical" if physical else "linear"
                raise UserError(f"no memory answers at {kind} {position:#x}: {_until_there(start, position)}")
            file.write(data)
            position += len(data)
            if view.progress is not None:
                view.progress((position - start) / (end - start))


def _until_there(start: int, position: int) -> str:
    return f"{start:#x} to {position:#x} can be had" if position > start else "choose another start"


def _linear_reader(view: View) -> Callable[[int, int], bytes]:
    memory = view.debugger.linear()
    return lambda address, size: memory.read_prefix(Linear(address), size)


def _physical_reader(view: View) -> Callable[[int, int], bytes]:
    memory = view.debugger.physical

    def read(address: int, size: int) -> bytes:
        return memory.read(Physical(address), max(0, min(size, memory.extent(Physical(address)))))

    return read


def _memory(view: View) -> list[Memory]:
    engine = view.debugger.engine
    return [Memory(start, data) for start, data in blocks(engine)]


def _space(view: View, memory: list[Memory], cut: list[int]) -> AddressSpace:
    def checked() -> None:
        if view.progress is not None:
            view.progress(0)

    paging = paging_of(view.debugger.engine)
    return address_space(memory, mapped_ranges(view.debugger.physical, paging, checked, cut.append))


def _vmcoreinfo(view: View) -> tuple[bytes, str]:
    from vmdbg.os.linux.vmcoreinfo import vmcoreinfo

    try:
        return vmcoreinfo(need_linux(view.system)), ""
    except VmdbgError as error:
        return b"", str(error)


def _release(text: bytes) -> str:
    lines = text.decode("latin-1").splitlines()
    return next((line.removeprefix("OSRELEASE=") for line in lines if line.startswith("OSRELEASE=")), "")
