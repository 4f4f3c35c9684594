"""Random selectors, descriptors, gates, pointers and stacks: mostly such as may be loaded, with one thing wrong."""

from __future__ import annotations

import random
import struct

from tests.conformance.system.layout import CS32, HIDDEN, NOT_PRESENT, READ_ONLY, SYSTEM, USER
from tests.conformance.system.world import (
    CODE16_SLOT,
    CODE32_SLOT,
    CODE64_SLOT,
    DATA,
    DATA_SLOT,
    FLAT_16,
    FLAT_32,
    FLAT_64,
    GDT,
    GDT_LIMIT,
    IDT,
    IDT_LIMIT,
    LANDINGS,
    LDT,
    LDT_SLOT,
    LONG_IDT_LIMIT,
    OPERANDS,
    SYSTEM_STACK,
    TASK16_SLOT,
    TASK_SLOT,
    TSS_16,
    TSS_OTHER,
    TSS_SLOT,
    USER_STACK,
    ZOO_SIZE,
    ZOO_SLOT,
    Descriptor,
    Gate,
    Mode,
)

LOCAL = 4
NOT_CANONICAL = (1 << 47, 0xFFFF_7FFF_FFFF_FFFF, 0x1234_5678_9ABC_DEF0, (1 << 47) - 2)
CODE_SLOTS = (*range(CODE32_SLOT, CODE32_SLOT + 4), CODE16_SLOT, CODE16_SLOT + 2, CODE64_SLOT, CODE64_SLOT + 1)
DATA_SLOTS = (*range(DATA_SLOT, DATA_SLOT + 4), CODE16_SLOT + 1, CODE16_SLOT + 3)
FLAGS = (2, 0x202, 0x3002, 0x4002, 0x102, 0x23202, 0x40002, 0x3202, 0x10002)


def draw_selector(rng: random.Random) -> int:
    kind = rng.random()
    if kind < 0.06:
        return rng.randrange(4)
    if kind < 0.26:
        return 8 * rng.choice(DATA_SLOTS) | rng.getrandbits(2)
    if kind < 0.42:
        return 8 * rng.choice(CODE_SLOTS) | rng.getrandbits(2)
    if kind < 0.5:
        return 8 * rng.choice((TSS_SLOT, LDT_SLOT, TASK_SLOT, TASK16_SLOT)) | rng.choice((0, 0, 1, 3))
    if kind < 0.85:
        return 8 * rng.randrange(ZOO_SLOT, ZOO_SLOT + ZOO_SIZE) | rng.getrandbits(2)
    if kind < 0.95:
        return 8 * rng.randrange(16) | LOCAL | rng.getrandbits(2)
    return rng.choice((8 * rng.randrange(64, 80), 0xFFF8, LOCAL, 0x84, rng.getrandbits(16)))


def linear(rng: random.Random, mode: Mode) -> int:
    """An offset in DS of some memory, at its end, or where there is none."""
    kind, base = rng.random(), mode.base
    if kind < 0.45:
        return OPERANDS + 4 * rng.randrange(24) - base
    if kind < 0.6:
        return DATA + rng.randrange(64) - base
    if kind < 0.85:
        page = rng.choice((SYSTEM, READ_ONLY, HIDDEN, NOT_PRESENT, USER))
        return (page + rng.choice((0, 4, 16, 0xFFE, 0xFFF)) - base) & 0xFFFFFFFF
    return rng.choice(LANDINGS) - base if mode is not Mode.LONG or kind < 0.92 else rng.choice(NOT_CANONICAL)


def draw_descriptor(rng: random.Random, mode: Mode) -> bytes:
    present, dpl = rng.random() < 0.88, rng.choice((0, 3, rng.getrandbits(2)))
    kind = rng.random()
    if kind < 0.35:
        flags = rng.choice((FLAT_32, FLAT_32, FLAT_64, FLAT_16, 4, 0x6, rng.getrandbits(4)))
        base = rng.choice((0, 0, SYSTEM, USER))
        limit = rng.choice((0xFFFFF, 0xFFFFF, 0xFFFF, 0x11FFF, 0xFF, 0x1110F, rng.getrandbits(20)))
        descriptor = Descriptor(base, limit, 0x10 | rng.getrandbits(4), dpl, present, flags)
        return descriptor.pack() + (bytes(8) if mode.is_long else b"")
    if kind < 0.65:
        return draw_gate(rng, mode, in_idt=False)
    place, system, least = rng.choice(((TSS_OTHER, 9, 0x67), (TSS_OTHER, 9, 0x67), (TSS_16, 1, 0x2B), (LDT, 2, 0x7F)))
    if rng.random() < 0.15:
        system = rng.getrandbits(4)
    if rng.random() < 0.1:
        system |= 2
    limit = rng.choice((least, least, least - 1, 0xFFFF, 0))
    base = place if not mode.is_long or rng.random() < 0.8 else rng.choice(NOT_CANONICAL)
    descriptor = Descriptor(base, limit, system, dpl, present, rng.choice((0, 0, 1, 8)))
    if not mode.is_long:
        return descriptor.pack()
    packed = descriptor.pack_long()
    return packed if rng.random() < 0.9 else packed[:12] + struct.pack("<I", rng.choice((0xF00, 0x1000, 0x100)))


def draw_gate(rng: random.Random, mode: Mode, *, in_idt: bool, returns: bool = True) -> bytes:
    """One that never `returns` is for a fault, which would come again."""
    kinds = (6, 7, 0xE, 0xF, 5) if in_idt else (4, 0xC, 0xC, 0xC, 5)
    kind = rng.choice((*kinds, *kinds, rng.getrandbits(4)))
    present, dpl = rng.random() < 0.9, rng.choice((3, 3, rng.getrandbits(2)))
    if kind == 5:
        target = 8 * rng.choice((TASK_SLOT, TASK_SLOT, TASK16_SLOT, TSS_SLOT, rng.randrange(ZOO_SLOT, 64)))
    elif mode.is_long:
        target = rng.choice((8 * rng.choice((CODE64_SLOT, CODE64_SLOT, CODE64_SLOT + 1)), draw_selector(rng)))
    else:
        target = rng.choice((8 * rng.choice(CODE_SLOTS), CS32, draw_selector(rng)))
    if kind in (4, 6, 7):
        target = 8 * rng.choice((CODE16_SLOT, CODE16_SLOT + 2))
    offset = rng.choice(LANDINGS) if returns else LANDINGS[0]
    if target >> 3 in (CODE16_SLOT, CODE16_SLOT + 2) and not target & LOCAL:
        offset -= SYSTEM
    if mode.is_long and rng.random() < 0.1:
        offset = rng.choice(NOT_CANONICAL)
    count = rng.choice((0, 1, 2, 3)) if not mode.is_long else rng.choice((0, 0, 1, 7))
    if kind in (4, 6, 7):
        offset &= 0xFFFF
    gate = Gate(target, offset, kind, dpl, present, count)
    return gate.pack_long() if mode.is_long else gate.pack()


def _offset(rng: random.Random, mode: Mode) -> int:
    place = rng.choice(LANDINGS)
    return place - rng.choice((mode.base, mode.base, 0, SYSTEM, USER)) if place >= mode.base else place


def real_segment(rng: random.Random) -> int:
    return rng.choice((USER >> 4, USER >> 4, SYSTEM >> 4, 0x2000, 0x3000))


def target_selector(rng: random.Random, mode: Mode) -> int:
    return real_segment(rng) if mode.has_real_segments else draw_selector(rng)


def draw_far_pointer(rng: random.Random, mode: Mode) -> bytes:
    """16 bytes: an offset of 16, 32 or 64 bits with a selector behind it."""
    offset, selector = _offset(rng, mode), target_selector(rng, mode)
    size = rng.choice((2, 4, 8) if mode is Mode.LONG else (2, 4, 4) if not mode.is_16 else (2, 2, 4))
    padding = struct.pack("<H", USER >> 4) if mode.has_real_segments else b"\x11\x11"
    return ((offset & (1 << 8 * size) - 1).to_bytes(size, "little") + struct.pack("<H", selector) + 8 * padding)[:16]


def draw_table_pointer(rng: random.Random, mode: Mode) -> bytes:
    """16 bytes for LGDT and LIDT."""
    idt_limit = LONG_IDT_LIMIT if mode.is_long else IDT_LIMIT
    limit, base = rng.choice(((GDT_LIMIT, GDT), (GDT_LIMIT, GDT), (idt_limit, IDT), (idt_limit, IDT), (0x7F, GDT)))
    if mode is Mode.REAL:
        limit, base = rng.choice(((0x3FF, 0), (0x1F, 0), (0x1B, 0)))
    if rng.random() < 0.1:
        base |= rng.choice((0xFF000000, 1 << 47, 0xFFFF8000 << 32))
    return struct.pack("<HQ", limit, base).ljust(16, b"\x22")


def draw_stack(rng: random.Random, mode: Mode) -> bytes:
    """What far returns and IRETs find: a frame of words of one size."""
    size = 2 if mode.is_16 else rng.choice((4, 4, 2)) if mode is not Mode.LONG else rng.choice((8, 8, 8, 4))
    if mode.has_real_segments:
        words = [_offset(rng, mode), real_segment(rng), rng.choice(FLAGS), 0xE00, real_segment(rng)]
    else:
        ring = rng.choice((0, 3))
        code = 8 * rng.choice(CODE_SLOTS) | ring
        data = 8 * rng.choice(DATA_SLOTS) | ring
        words = [rng.choice(LANDINGS), code, rng.choice(FLAGS), rng.choice((USER_STACK, SYSTEM_STACK)), data]
        if rng.random() < 0.4:
            at = rng.choice((1, 1, 4, 0))
            words[at] = target_selector(rng, mode) if at else _offset(rng, mode)
        if rng.random() < 0.15:
            words[0] = rng.choice(NOT_CANONICAL)
        if code >> 3 in (CODE16_SLOT, CODE16_SLOT + 2):
            words[0] -= SYSTEM
    words += [real_segment(rng) for _ in range(4)]
    if rng.random() < 0.1:
        words[2:2] = [0x55AA]
    mask = (1 << 8 * size) - 1
    packed = b"".join((word & mask).to_bytes(size, "little") for word in words)
    return packed + bytes(-len(packed) % 4)
