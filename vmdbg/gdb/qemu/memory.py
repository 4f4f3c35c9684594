"""xp, gva2gpa and gpa2hva."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vmdbg.errors import UserError
from vmdbg.session.session import Session
from vmdbg.units import PAGE_MASK, Linear, Physical
from vmdbg.x86.disassembly import Syntax, disassembler
from vmdbg.x86.instruction import MAX_LENGTH

SIZES = {"b": 1, "h": 2, "w": 4, "g": 8}
FORMATS = "xduoci"
MOST_BYTES = 1 << 20
_FORMAT = re.compile(r"(?:/(?P<count>\d*)(?P<letters>[a-z]*)\s)?\s*(?P<address>.*)")
_ESCAPES = {0x27: "\\'", 0x5C: "\\\\", 0x0A: "\\n", 0x0D: "\\r"}
CODE_BYTES = 8


def examine_physical(session: Session, words: str) -> str:
    """Physical memory in QEMU's formats: x d u o c i, of sizes b h w g. Device registers are not touched."""
    match = _FORMAT.fullmatch(words)
    if match is None or not match["address"]:
        raise UserError('unexpected end of expression\nTry "help xp" for more information')
    seen = session.part(_Seen)
    letter, size = seen.letter, seen.size = _letters(match["letters"] or "", seen)
    count = int(match["count"] or 1)
    address = session.place(match["address"]).address
    if letter == "i":
        return "".join(_instructions(session, address, count))
    if count * size > MOST_BYTES:
        raise UserError(f"{count * size} bytes cannot be shown at once: at most {MOST_BYTES}")
    return "".join(_lines(session, address, count * size, letter, size))


class _Seen:
    """Format and size of the last xp, for the next that names none."""

    def __init__(self, _session: Session) -> None:
        self.letter, self.size = "x", 4


def _letters(given: str, seen: _Seen) -> tuple[str, int]:
    letter, size = seen.letter, seen.size
    for one in given:
        if one in SIZES:
            size = SIZES[one]
        elif one in FORMATS:
            letter = one
        else:
            raise UserError(f"invalid char in format: '{one}'\nTry \"help xp\" for more information")
    return letter, size


def _lines(session: Session, address: int, length: int, letter: str, size: int) -> Iterator[str]:
    memory = session.debugger.physical
    row, unit = 8 if size == 1 else 16, 1 if letter == "c" else size
    for start in range(address, address + length, row):
        wanted = min(row, address + length - start)
        if memory.extent(Physical(start)) < wanted:
            yield f"{start:016x}: Cannot access memory\n"
            return
        data = memory.read(Physical(start), wanted)
        values = [int.from_bytes(data[at : at + unit], "little") for at in range(0, wanted, unit)]
        yield f"{start:016x}:{''.join(f' {_value(value, letter, size)}' for value in values)}\n"


def _value(value: int, letter: str, size: int) -> str:
    match letter:
        case "x":
            return f"0x{value:0{2 * size}x}"
        case "o":
            return (f"0{value:o}" if value else "0").rjust(-(-8 * size // 3))
        case "c":
            plain = chr(value) if 32 <= value <= 126 else f"\\x{value:02x}"
            return f"'{_ESCAPES.get(value, plain)}'"
    if letter == "d" and size == 8 and value >> 63:
        value -= 1 << 64
    return f"{value:{-(-80 * size // 33)}d}"


def _instructions(session: Session, address: int, count: int) -> Iterator[str]:
    memory = session.debugger.physical
    decoder = disassembler(session.registers.mode.width, Syntax.ATT)
    for _ in range(min(count, MOST_BYTES)):
        code = memory.read(Physical(address), max(0, min(MAX_LENGTH, memory.extent(Physical(address)))))
        if not code:
            yield f"0x{address:08x}: Cannot access memory\n"
            return
        found = decoder.decode_at(code, address)
        for at in range(0, found.length, CODE_BYTES):
            raw = " ".join(f"{byte:02x}" for byte in found.raw[at : at + CODE_BYTES])
            text = f"  {found.mnemonic:8} {found.operands}" if at == 0 else ""
            yield f"0x{address + at:08x}:  {raw:{3 * CODE_BYTES - 1}}{text}\n"
        address += found.length


def physical_address(session: Session, words: str) -> str:
    """Where a linear address lies in physical memory."""
    address = session.linear(words)
    found = session.debugger.linear().translate(Linear(address & ~PAGE_MASK))
    if found is None:
        return "Unmapped\n"
    physical = found + (address & PAGE_MASK)
    return f"gpa: {physical:#x}\n" if physical else "gpa: 0\n"


def virtual_address(_session: Session, _words: str) -> str:
    """Clients take the address that QEMU gives here to read its memory as a process; this one is not to be read so."""
    raise UserError("the guest's memory has no address for other processes: `xp`, or Qqemu.PhyMemMode and `m`, read it")
