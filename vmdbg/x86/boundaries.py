"""Where instructions begin: lengths, boundaries, and the instructions that precede an address."""

from __future__ import annotations

from functools import cache, lru_cache

import capstone

from vmdbg.x86.disassembly import CAPSTONE_MODES, disassembler
from vmdbg.x86.instruction import MAX_LENGTH, Kind
from vmdbg.x86.mode import Width


@cache
def _plain(width: Width) -> capstone.Cs:
    return capstone.Cs(capstone.CS_ARCH_X86, CAPSTONE_MODES[width])


def length_at(code: bytes, width: Width) -> int | None:
    """Length in bytes of the instruction at the start of `code`; None if it cannot be decoded.

    About 10 µs, far less for bytes seen lately.
    """
    return _length(bytes(code[:MAX_LENGTH]), width)


@lru_cache(maxsize=1 << 16)
def _length(code: bytes, width: Width) -> int | None:
    for _, size, _, _ in _plain(width).disasm_lite(code, 0, 1):
        return int(size)
    return None


def boundaries(code: bytes, width: Width) -> list[int]:
    """Offsets in `code` where instructions start, decoding from 0; `(bad)` bytes count as one each."""
    starts: list[int] = []
    position = 0
    while position < len(code):
        for offset, size, _, _ in _plain(width).disasm_lite(code[position:], position):
            starts.append(offset)
            position = offset + size
        if position < len(code):
            starts.append(position)
            position += 1
    return starts


def boundary_from(code: bytes, width: Width, offset: int) -> int:
    """The first instruction boundary at or after `offset`, decoding from 0: where a deadline falls."""
    position = 0
    while position < offset:
        position += length_at(code[position : position + MAX_LENGTH], width) or 1
    return position


def starts_before(code: bytes, width: Width, count: int) -> list[int]:
    """Offsets of up to `count` instructions that lead up to the end of `code`, ascending.

    x86 cannot be read backwards: of the chains of instructions that end exactly at the end, this follows the
    one into which most starting points fall. Give it some 16 bytes for each instruction wanted, and more.
    """
    follower: dict[int, int] = {}
    for start in range(len(code)):
        length = length_at(code[start : start + MAX_LENGTH], width)
        if length is not None:
            follower[start] = start + length
    votes = _chain_votes(follower, len(code))
    predecessors: dict[int, list[int]] = {}
    for start in votes:
        predecessors.setdefault(follower[start], []).append(start)
    chain: list[int] = []
    position = len(code)
    while len(chain) < count and position in predecessors:
        position = max(predecessors[position], key=lambda start: (votes[start], start))
        chain.append(position)
    return chain[::-1]


def calls_before(code: bytes, width: Width) -> list[int]:
    """Offsets of the call instructions that end exactly at the end of `code`, however long, the longest first.

    Several, where a call's last bytes are a call too: 41 FF D4 is CALL R12, FF D4 in it is CALL RSP. Which of them ran,
    the guest's history alone tells.
    """
    decode = disassembler(width).decode
    found = []
    for start in range(max(0, len(code) - MAX_LENGTH), len(code)):
        instruction = decode(code[start:], 0)
        if instruction.length == len(code) - start and Kind.CALL in instruction.kind:
            found.append(start)
    return found


def _chain_votes(follower: dict[int, int], end: int) -> dict[int, int]:
    """For each start whose chain reaches `end` exactly, how many starts' chains pass through it."""
    reaches = {end}
    for start in sorted(follower, reverse=True):
        if follower[start] in reaches:
            reaches.add(start)
    reaches.discard(end)
    votes = dict.fromkeys(reaches, 1)
    for start in sorted(reaches):
        following = follower[start]
        if following in votes:
            votes[following] += votes[start]
    return votes
