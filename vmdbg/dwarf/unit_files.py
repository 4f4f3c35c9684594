"""The files of a unit's source by number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elftools.dwarf.compileunit import CompileUnit
    from elftools.dwarf.lineprogram import LineProgram


def unit_file_names(unit: CompileUnit, program: LineProgram) -> dict[int, str]:
    """File numbers to paths: they count from 1 up to DWARF 4, from 0 in DWARF 5.

    Directories are relative to the one of the compilation (DWARF 5, 6.2.4), which is the first.
    """
    header = program.header
    old = header["version"] < 5
    top = unit.get_top_DIE().attributes.get("DW_AT_comp_dir")
    base = _text(top.value) if top is not None else ""
    directories = [_text(directory) for directory in header["include_directory"]]
    if old:
        directories.insert(0, base)
    directories[1:] = [_within(base, directory) for directory in directories[1:]]
    names = {}
    for number, file in enumerate(header["file_entry"], 1 if old else 0):
        directory = directories[file.dir_index] if file.dir_index < len(directories) else ""
        name = _text(file.name)
        names[number] = name if name.startswith("/") or not directory else f"{directory}/{name}"
    return names


def _within(base: str, directory: str) -> str:
    return directory if directory.startswith("/") or not base else f"{base}/{directory}"


def _text(value: bytes | str) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
