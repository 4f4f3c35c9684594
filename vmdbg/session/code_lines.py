"""Instructions as lines: address, symbol, bytes, text, branch target, and what the next one will do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmdbg.document.document import Span, Style, Text
from vmdbg.session.known_guest import KnownGuest
from vmdbg.units import Linear
from vmdbg.x86.boundaries import boundaries, length_at, starts_before
from vmdbg.x86.disassembly import disassembler
from vmdbg.x86.instruction import MAX_LENGTH, Instruction
from vmdbg.x86.mode import Width

BYTES_SHOWN = 8
BEFORE = 16
NEAR = 2048


@dataclass(frozen=True, slots=True)
class CodeLine:
    """One instruction. `end` is the linear address after it."""

    instruction: Instruction
    text: Text
    end: int


def code_lines(
    guest: KnownGuest, address: int, count: int, *, width: Width | None = None, show_bytes: bool = False
) -> Iterator[CodeLine]:
    """Up to `count` instructions from a linear address on, at the CPU's width or another.

    Raises UnmappedLinearError if the first cannot be read; ends before one that cannot.
    """
    memory = guest.debugger.linear()
    memory.read(Linear(address), 1)
    data = memory.read_prefix(Linear(address), count * MAX_LENGTH)
    position = 0
    for _ in range(count):
        if position >= len(data):
            return
        instruction = decode(guest, address + position, data[position : position + MAX_LENGTH], width)
        position += instruction.length
        yield CodeLine(instruction, _text(guest, instruction, show_bytes), address + position)


def lines_before(guest: KnownGuest, address: int, count: int) -> list[CodeLine]:
    """Up to `count` instructions that end at the address; from the symbol's beginning where that is near."""
    found = guest.symbols.nearest(address - 1)
    distance = address - found.symbol.address if found is not None and found.symbol.is_code else 0
    known = 0 < distance <= NEAR
    code = guest.debugger.linear().read_suffix(address, distance if known else BEFORE * (count + 2))
    width = guest.registers.mode.width
    offsets = boundaries(code, width)[-count:] if known and len(code) == distance else []
    if not offsets or offsets[-1] + (length_at(code[offsets[-1] :], width) or 1) != len(code):
        code = code[-BEFORE * (count + 2) :]
        offsets = starts_before(code, width, count)
    return list(code_lines(guest, address - len(code) + offsets[0], len(offsets))) if offsets else []


def decode(guest: KnownGuest, linear: int, code: bytes, width: Width | None = None) -> Instruction:
    """The instruction at a linear address, with its offset in the code segment where that reaches so far."""
    return disassembler(width or guest.registers.mode.width).decode_at(code, linear, guest.debugger.cpu.code_base)


def _text(guest: KnownGuest, instruction: Instruction, show_bytes: bool) -> Text:
    spans = [Span(f"{instruction.address:#x}", Style.ADDRESS)]
    where = guest.describe(instruction.address)
    if where:
        spans.append(Span(f" <{where}>", Style.SYMBOL))
    spans.append(Span("  "))
    if show_bytes:
        raw = instruction.raw[:BYTES_SHOWN].hex(" ") + ("+" if instruction.length > BYTES_SHOWN else "")
        spans.append(Span(f"{raw:<{3 * BYTES_SHOWN}} ", Style.DIM))
    spans += instruction_spans(guest, instruction)
    value = {
        "address": f"{instruction.address:#x}",
        "symbol": where,
        "bytes": instruction.raw.hex(),
        "text": str(instruction),
    }
    return Text(tuple(spans), value)


def instruction_spans(guest: KnownGuest, instruction: Instruction) -> list[Span]:
    """Mnemonic and operands; of a direct branch where it goes: the linear address, if that differs, and a symbol."""
    style = Style.BAD if instruction.is_bad else Style.MNEMONIC
    spans = [Span(f"{instruction.mnemonic:<6}" if instruction.operands else instruction.mnemonic, style)]
    if instruction.operands:
        spans.append(Span(f" {instruction.operands}", Style.OPERAND))
    target = instruction.target
    if target is not None:
        where = guest.describe(target)
        spans.append(Span(f"  # {target:#x}" if instruction.address != instruction.offset else "", Style.DIM))
        spans.append(Span(f"  <{where}>" if where else "", Style.SYMBOL))
    for operand in instruction.memory:
        if operand.base == "rip" and operand.index is None:
            linear = instruction.address + instruction.length + operand.displacement
            where = guest.describe(linear)
            spans.append(Span(f"  # {linear:#x}{f' <{where}>' if where else ''}", Style.DIM))
    return [span for span in spans if span.text]
