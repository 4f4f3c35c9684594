"""Linux kernel modules as files: which module one is, and which build of it."""

from __future__ import annotations

from pathlib import Path

from vmdbg.dwarf.debug_file import DAMAGE, DebugFile

BUILD_ID = ".note.gnu.build-id"
_MARKS = (".gnu.linkonce.this_module", ".modinfo")
_MOST = 1 << 16


def module_name(file: DebugFile, path: Path) -> str | None:
    """None for what is no module. A file with debug information alone has its name from the path."""
    if not file.sections or not any(file.elf.has_section(mark) for mark in _MARKS):
        return None
    for word in _content(file, ".modinfo").split(b"\0"):
        if word.startswith(b"name="):
            return word.removeprefix(b"name=").decode("utf-8", "replace")
    return path.name.partition(".")[0].replace("-", "_")


def build_id_note(file: DebugFile) -> bytes:
    """The whole note as the module has it in memory; empty without one."""
    return _content(file, BUILD_ID)


def _content(file: DebugFile, name: str) -> bytes:
    section = file.elf.get_section_by_name(name)
    if section is None or section["sh_type"] == "SHT_NOBITS" or section["sh_size"] > _MOST:
        return b""
    try:
        return bytes(section.data())
    except DAMAGE:
        return b""
