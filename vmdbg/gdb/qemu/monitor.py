"""Which lines are QEMU's: those that pwndbg, bata24/gef and scripts written for QEMU send to a monitor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from vmdbg.errors import VmdbgError
from vmdbg.gdb.qemu.flat_views import flat_views
from vmdbg.gdb.qemu.identity import cpus, kvm, name, status, uuid, version
from vmdbg.gdb.qemu.interrupts import pic
from vmdbg.gdb.qemu.local_apic import local_apic
from vmdbg.gdb.qemu.memory import examine_physical, physical_address, virtual_address
from vmdbg.gdb.qemu.page_tables import mapped_ranges, translations
from vmdbg.gdb.qemu.pci import devices, functions
from vmdbg.gdb.qemu.registers import registers
from vmdbg.session.session import Session

Answer = Callable[[Session, str], str]

INFO: Mapping[str, tuple[Answer, frozenset[str]]] = {
    "registers": (registers, frozenset({"", "-a"})),
    "mem": (mapped_ranges, frozenset({""})),
    "tlb": (translations, frozenset({""})),
    "mtree": (flat_views, frozenset({"", "-f"})),
    "pic": (pic, frozenset({""})),
    "lapic": (local_apic, frozenset({"", "0"})),
    "pci": (functions, frozenset({""})),
    "qtree": (devices, frozenset({""})),
    "version": (version, frozenset({""})),
    "status": (status, frozenset({""})),
    "cpus": (cpus, frozenset({""})),
    "kvm": (kvm, frozenset({""})),
    "name": (name, frozenset({""})),
    "uuid": (uuid, frozenset({""})),
}
"""By the word after `info`, with the arguments that are QEMU's; with others the line is vmdbg's own."""

_VERBS: tuple[tuple[re.Pattern[str], Answer], ...] = (
    (re.compile(r"xp\s*(?P<rest>/.*|\s\S.*)?"), examine_physical),
    (re.compile(r"gva2gpa\s+(?P<rest>\S.*)"), physical_address),
    (re.compile(r"gpa2hva\s+(?P<rest>\S.*)"), virtual_address),
)


def answer(session: Session, line: str) -> str | None:
    """What QEMU's monitor would say to a line, for this guest; None for lines that are not its own."""
    found = _find(line.strip())
    if found is None:
        return None
    function, words = found
    try:
        return function(session, words)
    except VmdbgError as error:
        return f"{error}\n"


def _find(line: str) -> tuple[Answer, str] | None:
    words = line.split()
    if len(words) in (2, 3) and words[0] == "info" and words[1] in INFO:
        function, allowed = INFO[words[1]]
        rest = " ".join(words[2:])
        return (function, rest) if rest in allowed else None
    for pattern, function in _VERBS:
        match = pattern.fullmatch(line)
        if match is not None:
            return function, (match["rest"] or "").strip()
    return None
