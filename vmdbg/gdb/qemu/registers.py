"""info registers."""

from __future__ import annotations

from collections.abc import Sequence

from vmdbg.engine.inspection import Inspection
from vmdbg.session.session import Session
from vmdbg.x86.descriptors import (
    ACCESSED,
    ATTRIBUTES,
    CODE,
    CONFORMING_OR_EXPAND_DOWN,
    DEFAULT_BIG,
    GRANULARITY,
    LONG,
    NOT_SYSTEM,
    PRESENT,
    READABLE_OR_WRITABLE,
)
from vmdbg.x86.mode import CR0_PE, CpuMode

SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr")
NAMES = {"ldtr": "LDT"}
STATUS = ((0x400, "D"), (0x800, "O"), (0x80, "S"), (0x40, "Z"), (0x10, "A"), (0x4, "P"), (0x1, "C"))
SYSTEM_TYPES = (
    "Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16", "TaskGate", "IntGate16", "TrapGate16",
    "Reserved", "TSS32-avl", "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32", "TrapGate32",
)  # fmt: skip
LONG_SYSTEM_TYPES = (
    "<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved", "Reserved", "Reserved",
    "Reserved", "TSS64-avl", "Reserved", "TSS64-busy", "CallGate64", "Reserved", "IntGate64", "TrapGate64",
)  # fmt: skip
WORD = (1 << 64) - 1


def registers(session: Session, words: str) -> str:
    """All registers of the CPU that is looked at, with -a of each; their width follows its mode."""
    debugger = session.debugger
    if words != "-a":
        return _of_cpu(session)
    shown = []
    for cpu in debugger.cpus:
        with debugger.of(cpu.number):
            shown.append(_of_cpu(session))
    return "".join(shown)


def _of_cpu(session: Session) -> str:
    engine, mode, cpu = session.debugger.engine, session.registers.mode, session.debugger.cpu
    wide = mode is CpuMode.LONG64
    status = (cpu.halted, session.debugger.machine.pc.a20.level)
    return "".join(
        (
            f"\nCPU#{cpu.number}\n",
            _general(engine, wide),
            _state(engine, session.registers.cpl, wide, *status),
            *(_segment(engine, name, wide, mode.is_long) for name in SEGMENTS),
            _system(engine, mode.is_long),
            _floating(engine, 16 if wide else 8),
        )
    )


def _rows(parts: Sequence[str], columns: int) -> str:
    return "".join(" ".join(parts[at : at + columns]) + "\n" for at in range(0, len(parts), columns))


def _general(engine: Inspection, wide: bool) -> str:
    names = ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", *(f"r{n}" for n in range(8, 16))]
    if wide:
        return _rows([f"{name.upper():3}={engine.read_register(name):016x}" for name in names], 4)
    low = 0xFFFF_FFFF
    return _rows([f"E{name[1:].upper()}={engine.read_register(name) & low:08x}" for name in names[:8]], 4)


def _state(engine: Inspection, ring: int, wide: bool, halted: bool, a20: bool) -> str:
    rip, rflags, shadow = engine.read_registers(("rip", "rflags", "interrupt_shadow"))
    flags = "".join(letter if rflags & bit else "-" for bit, letter in STATUS)
    where = f"RIP={rip:016x} RFL" if wide else f"EIP={rip & 0xFFFF_FFFF:08x} EFL"
    return (
        f"{where}={rflags & 0xFFFF_FFFF:08x} [{flags}] CPL={ring}"
        f" II={int(bool(shadow))} A20={int(a20)} SMM=0 HLT={int(halted)}\n"
    )


def _segment(engine: Inspection, name: str, wide: bool, long_mode: bool) -> str:
    """The cached descriptor; its attributes hold bits 19 to 16 of the limit, as in memory."""
    selector, base, limit, flags = engine.read_registers((name, f"{name}_base", f"{name}_limit", f"{name}_flags"))
    shown = f"{base:016x}" if wide else f"{base & 0xFFFF_FFFF:08x}"
    cached = flags & ATTRIBUTES | (limit >> 28 if flags & GRANULARITY else limit >> 16 & 0xF) << 16
    line = f"{NAMES.get(name, name.upper()):3}={selector:04x} {shown} {limit:08x} {cached:08x}"
    if engine.read_register("cr0") & CR0_PE and flags & PRESENT:
        line += f" DPL={flags >> 13 & 3} {_kind(flags, long_mode)}"
    return f"{line}\n"


def _kind(flags: int, long_mode: bool) -> str:
    if not flags & NOT_SYSTEM:
        return (LONG_SYSTEM_TYPES if long_mode else SYSTEM_TYPES)[flags >> 8 & 0xF]
    if flags & CODE:
        name, letters = "CS64" if flags & LONG else "CS32" if flags & DEFAULT_BIG else "CS16", "CR"
    else:
        name, letters = "DS  " if flags & DEFAULT_BIG or long_mode else "DS16", "EW"
    bits = (CONFORMING_OR_EXPAND_DOWN, READABLE_OR_WRITABLE, ACCESSED)
    return f"{name} [{''.join(c if flags & bit else '-' for bit, c in zip(bits, letters + 'A', strict=True))}]"


def _system(engine: Inspection, long_mode: bool) -> str:
    digits = 16 if long_mode else 8

    def shown(name: str, size: int = digits) -> str:
        return f"{engine.read_register(name) & (1 << 4 * size) - 1:0{size}x}"

    tables = "".join(f"{t}DT=     {shown(f'{t.lower()}dtr_base')} {shown(f'{t.lower()}dtr_limit', 8)}\n" for t in "GI")
    return (
        f"{tables}CR0={shown('cr0', 8)} CR2={shown('cr2')} CR3={shown('cr3')} CR4={shown('cr4', 8)}\n"
        + "".join(f"DR{n}={shown(f'dr{n}', 16)} " for n in range(4))
        + f"\nDR6={shown('dr6', 16)} DR7={shown('dr7', 16)}\nEFER={shown('efer', 16)}\n"
    )


def _floating(engine: Inspection, vectors: int) -> str:
    """x87 registers by their numbers, not from the top of the stack; a bit of FTW is set for one that is in use."""
    control, status, tags, mxcsr = engine.read_registers(("fctrl", "fstat", "ftag", "mxcsr"))
    top = status >> 11 & 7
    in_use = sum((tags >> 2 * n & 3 != 3) << n for n in range(8))
    stack = [engine.read_register(f"st{n - top & 7}") for n in range(8)]
    xmm = [engine.read_register(f"xmm{n}") for n in range(vectors)]
    return (
        f"FCW={control:04x} FSW={status:04x} [ST={top}] FTW={in_use:02x} MXCSR={mxcsr:08x}\n"
        + _rows([f"FPR{n}={value & WORD:016x} {value >> 64:04x}" for n, value in enumerate(stack)], 2)
        + _rows([f"XMM{n:02d}={value >> 64:016x} {value & WORD:016x}" for n, value in enumerate(xmm)], 2)
    )
