"""An ELF for stock gdb: the guest's symbols at their true addresses, its types and its unwind tables.

gdb loads it with `symbol-file`; it has no code or data, which gdb reads from the guest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from vmdbg.os.linux.dwarf_frames import debug_frame
from vmdbg.os.linux.dwarf_unit import Code, Part, debug_sections
from vmdbg.os.linux.kernel import GLOBALS, Kernel
from vmdbg.os.linux.orc import OrcTables, Table
from vmdbg.os.linux.walks import guarded

_EHDR = struct.Struct("<16sHHIQQQIHHHHHH")
_SHDR = struct.Struct("<IIQQQQIIQQ")
_SYM = struct.Struct("<IBBHQQ")
_IDENT = b"\x7fELF\x02\x01\x01" + bytes(9)
_ET_EXEC, _EM_X86_64 = 2, 62
_SHT_PROGBITS, _SHT_SYMTAB, _SHT_STRTAB, _SHT_NOTE, _SHT_NOBITS = 1, 2, 3, 7, 8
_NT_GNU_BUILD_ID = 3
_WRITE, _ALLOC, _EXECUTE = 1, 2, 4
_STT_OBJECT, _STT_FUNC, _STB_GLOBAL = 1, 2, 0x10
_LOWER_CASE = ord("a")
_ABSOLUTE = 0xFFF1
_CODE = frozenset(b"tTwW")


@dataclass(frozen=True, slots=True)
class Area:
    """[start, end) of the guest's linear memory that becomes a section without contents."""

    name: str
    start: int
    end: int
    executable: bool


@dataclass(frozen=True, slots=True)
class Section:
    name: str
    type: int
    flags: int
    address: int
    size: int
    contents: bytes
    link: int = 0
    info: int = 0
    entry_size: int = 0


@guarded("kernel symbols")
def gdb_elf(kernel: Kernel, tables: OrcTables | None, build_id: str = "") -> bytes:
    """The whole file; `build_id`, in hexadecimal, is the kernel's. Raises `NoSuchSymbolError`, `DamagedError`."""
    areas = list(_areas(kernel))
    symbols, strings, locals_ = _symbol_table(kernel, areas)
    dwarf = debug_sections(_parts(kernel, areas), _variables(kernel))
    frames = debug_frame(_unwind_tables(kernel, tables)) if tables else b""
    sections = [
        Section(
            area.name, _SHT_NOBITS, _ALLOC | (_EXECUTE if area.executable else _WRITE), area.start,
            area.end - area.start, b"",
        )
        for area in areas
    ]  # fmt: skip
    for name, contents in (
        (".debug_info", dwarf.info),
        (".debug_abbrev", dwarf.abbreviations),
        (".debug_str", dwarf.strings),
        (".debug_loc", dwarf.locations),
        (".debug_ranges", dwarf.ranges),
        (".debug_frame", frames),
    ):
        sections.append(Section(name, _SHT_PROGBITS, 0, 0, len(contents), contents))
    if build_id:
        note = struct.pack("<III4s", 4, len(build_id) // 2, _NT_GNU_BUILD_ID, b"GNU") + bytes.fromhex(build_id)
        sections.append(Section(".note.gnu.build-id", _SHT_NOTE, 0, 0, len(note), note))
    link = len(sections) + 2
    sections.append(Section(".symtab", _SHT_SYMTAB, 0, 0, len(symbols), symbols, link, locals_, _SYM.size))
    sections.append(Section(".strtab", _SHT_STRTAB, 0, 0, len(strings), strings))
    return _assemble(sections)


def _areas(kernel: Kernel) -> Iterator[Area]:
    """The kernel cut at its sections' symbols, then its modules."""
    marks = [int(kernel.symbol(name)) for name in ("_text", "_etext", "_sinittext", "_einittext", "_end")]
    names = ((".text", True), (".data", False), (".init.text", True), (".init.data", False))
    for (name, executable), start, end in zip(names, marks, marks[1:], strict=False):
        if start < end:
            yield Area(name, start, end, executable)
    for module in kernel.symbols.modules:
        for number, (start, end) in enumerate(module.ranges):
            name = f".text.{module.name}" if not number else f".data.{module.name}.{number}"
            yield Area(name, start, end, not number)


def _symbol_table(kernel: Kernel, areas: list[Area]) -> tuple[bytes, bytes, int]:
    """(symbols, strings, number of local symbols): local ones come first (System V ABI, Symbol Table)."""
    table, pack = kernel.table, _SYM.pack
    local, others = [bytes(_SYM.size)], list[bytes]()
    offset = 1
    addresses = [*table.iter_addresses(), table.end]
    for name, kind, (address, after) in zip(table.names, table.kinds, pairwise(addresses), strict=True):
        code, is_local = kind in _CODE, kind >= _LOWER_CASE
        info = (0 if is_local else _STB_GLOBAL) | (_STT_FUNC if code else _STT_OBJECT)
        size = max(0, after - address) if code else 0
        (local if is_local else others).append(pack(offset, info, 0, _section_of(areas, address), address, size))
        offset += len(name.encode()) + 1
    strings = bytearray(table.text.replace(b"\n", b"\0"))
    for module in kernel.symbols.modules:
        for one in module.symbols:
            info, where = _STT_FUNC if one.is_code else _STT_OBJECT, int(one.address)
            local.append(pack(len(strings), info, 0, _section_of(areas, where), where, one.size))
            strings += one.name.encode() + b"\0"
    return b"".join(local + others), bytes(strings), len(local)


def _section_of(areas: list[Area], address: int) -> int:
    for number, area in enumerate(areas, 1):
        if area.start <= address < area.end:
            return number
    return _ABSOLUTE


def _parts(kernel: Kernel, areas: list[Area]) -> list[Part]:
    """The kernel, then each module that has types."""
    parts = [Part(kernel.types.btf, _functions(kernel), Code(areas[0].start, kernel.symbol("_end")))]
    for module in kernel.symbols.modules:
        types = kernel.module_types.get(module.name)
        if types is not None and types.btf.base is kernel.types.btf:
            found: dict[str, list[Code]] = {}
            for one in module.symbols:
                if one.is_code and one.size:
                    found.setdefault(one.name, []).append(Code(one.address, one.address + one.size))
            parts.append(Part(types.btf, found, Code(*module.ranges[0])))
    return parts


def _functions(kernel: Kernel) -> dict[str, list[Code]]:
    table = kernel.table
    found: dict[str, list[Code]] = {}
    addresses = [*table.iter_addresses(), table.end]
    for name, kind, (address, after) in zip(table.names, table.kinds, pairwise(addresses), strict=True):
        if kind in _CODE and after > address:
            found.setdefault(name, []).append(Code(address, after))
    return found


def _variables(kernel: Kernel) -> dict[str, tuple[int, int]]:
    """Global variables whose types are known, as far as they have a type id of their own."""
    found = {}
    for name, spelling in GLOBALS.items():
        address = kernel.table.find(name)
        if address is not None and kernel.types.has(spelling):
            type_id = kernel.type(spelling).btf_id
            if type_id >= 0:
                found[name] = type_id, address
    return found


def _unwind_tables(kernel: Kernel, tables: OrcTables) -> Iterator[tuple[Table, int]]:
    yield tables.core, kernel.symbol("_einittext")
    for ranges, table in tables.modules():
        yield table, ranges[0][1]


def _assemble(sections: list[Section]) -> bytes:
    names = b"\0" + b"".join(section.name.encode() + b"\0" for section in sections) + b".shstrtab\0"
    sections = [*sections, Section(".shstrtab", _SHT_STRTAB, 0, 0, len(names), names)]
    out = [bytes(_EHDR.size)]
    headers = [bytes(_SHDR.size)]
    position, name_at = _EHDR.size, 1
    for section in sections:
        headers.append(
            _SHDR.pack(
                name_at, section.type, section.flags, section.address, position, section.size, section.link,
                section.info, 8 if section.type == _SHT_SYMTAB else 1, section.entry_size,
            )
        )  # fmt: skip
        name_at += len(section.name) + 1
        contents = section.contents + bytes(-len(section.contents) % 8)
        out.append(contents)
        position += len(contents)
    out[0] = _EHDR.pack(
        _IDENT, _ET_EXEC, _EM_X86_64, 1, 0, 0, position, 0, _EHDR.size, 0, 0, _SHDR.size, len(headers),
        len(headers) - 1,
    )  # fmt: skip
    return b"".join(out + headers)
