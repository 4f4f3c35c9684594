"""Target descriptions (GDB manual, Target Description Format) rendered from a register layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from xml.sax.saxutils import quoteattr

from gdbstub.target import Register


def target_xml(architecture: str, layout: Sequence[Register], types: Mapping[str, str] | None = None) -> str:
    """target.xml with `layout` in numbered order, consecutive registers of one feature together.

    `architecture` is GDB's name ("i386:x86-64"; "" leaves it out). `types` has XML of the types a feature
    defines, by feature.
    """
    parts = ['<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target version="1.0">']
    if architecture:
        parts.append(f"<architecture>{architecture}</architecture>")
    numbered = enumerate(layout)
    for feature, members in groupby(numbered, key=lambda item: item[1].feature):
        parts.append(f"<feature name={quoteattr(feature)}>{(types or {}).get(feature, '')}")
        parts += [_register(number, register) for number, register in members]
        parts.append("</feature>")
    parts.append("</target>")
    return "".join(parts)


def _register(number: int, register: Register) -> str:
    attributes = {
        "name": register.name,
        "bitsize": str(register.bits),
        "type": register.type,
        "regnum": str(number),
        "group": register.group,
        "save-restore": "" if register.save_restore else "no",
        "altname": register.alias,
        "generic": register.generic,
        "dwarf_regnum": "" if register.dwarf is None else str(register.dwarf),
        "gcc_regnum": "" if register.dwarf is None else str(register.dwarf),
    }
    given = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items() if value)
    return f"<reg {given}/>"
