"""The names of the CPU's registers and where the native state keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmdbg.engine.native import _native

GENERAL = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", *(f"r{n}" for n in range(8, 16)))
SEGMENTS = ("es", "cs", "ss", "ds", "fs", "gs")
YMM = tuple(f"ymm{n}" for n in range(16))
"""Of models with AVX."""
YMM_HIGH = tuple(f"ymm{n}h" for n in range(16))
"""Their upper halves, as gdb asks for them."""
_BANKS = 4
MACHINE_CHECK = ("mcg_cap", "mcg_status", *(f"mc{bank}_ctl" for bank in range(_BANKS)))
"""Of models with machine-check architecture."""
PKRU = "pkru"
"""Of models with protection keys."""
RANDOM = "random_state"
"""Where the numbers of RDRAND and RDSEED go on, of models that have them."""
SYSTEM_SEGMENTS = {"ldtr": "ldt", "tr": "tr"}
TABLES = {"gdtr": "gdt", "idtr": "idt"}
PLAIN = {
    "rip": "rip",
    "rflags": "rflags",
    "cr0": "cr0",
    "cr2": "cr2",
    "cr3": "cr3",
    "cr4": "cr4",
    "efer": "efer",
    "sysenter_cs": "sysenter_cs",
    "sysenter_esp": "sysenter_esp",
    "sysenter_eip": "sysenter_eip",
    "star": "star",
    "lstar": "lstar",
    "cstar": "cstar",
    "fmask": "fmask",
    "kernel_gs_base": "kernelgsbase",
    "tsc_offset": "tsc_offset",
    "tsc_aux": "tsc_aux",
    "apic_base": "apic_base",
    "pat": "pat",
    "misc_enable": "misc_enable",
    "xcr0": "xcr0",
    "mtrr_def_type": "mtrr_deftype",
    "fctrl": "fpuc",
    "fop": "fpop",
    "fiseg": "fpcs",
    "foseg": "fpds",
    "fioff": "fpip",
    "fooff": "fpdp",
    "mxcsr": "mxcsr",
    PKRU: "pkru",
    "interrupt_shadow": "interrupt_shadow",
    "nmi_blocked": "nmi_blocked",
}


@dataclass(frozen=True, slots=True)
class Accessor:
    """Reads a register from a native state, and writes it there; values are unsigned."""

    read: Callable[[_native.VmState], int]
    write: Callable[[_native.VmState, int], None]


def _plain(field: str) -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        setattr(state, field, value)

    return Accessor(lambda state: int(getattr(state, field)), write)


def _indexed(field: str, index: int) -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        getattr(state, field)[index] = value

    return Accessor(lambda state: int(getattr(state, field)[index]), write)


def _in_segment(find: Callable[[_native.VmState], _native.Segment], field: str) -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        setattr(find(state), field, value)

    return Accessor(lambda state: int(getattr(find(state), field)), write)


def _physical_st(state: _native.VmState, index: int) -> int:
    """Where ST(index) is: `fpstt` is TOP (SDM 1 8.1.2)."""
    return (state.fpstt + index) & 7


def _st(index: int) -> Accessor:
    def read(state: _native.VmState) -> int:
        at = _physical_st(state, index)
        return state.st_exponent[at] << 64 | state.st_mantissa[at]

    def write(state: _native.VmState, value: int) -> None:
        at = _physical_st(state, index)
        state.st_mantissa[at] = value & (1 << 64) - 1
        state.st_exponent[at] = value >> 64 & 0xFFFF

    return Accessor(read, write)


def _xmm(index: int) -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        for lane, byte in enumerate(value.to_bytes(16, "little")):
            state.xmm[index][lane] = byte

    return Accessor(lambda state: int.from_bytes(bytes(state.xmm[index]), "little"), write)


def _ymm(index: int) -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        for lane, byte in enumerate(value.to_bytes(32, "little")):
            (state.xmm if lane < 16 else state.extended.ymm_high)[index][lane & 15] = byte

    def read(state: _native.VmState) -> int:
        return int.from_bytes(bytes(state.xmm[index]) + bytes(state.extended.ymm_high[index]), "little")

    return Accessor(read, write)


def _ymm_high(index: int) -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        for lane, byte in enumerate(value.to_bytes(16, "little")):
            state.extended.ymm_high[index][lane] = byte

    return Accessor(lambda state: int.from_bytes(bytes(state.extended.ymm_high[index]), "little"), write)


def _random() -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        state.extended.random = value

    return Accessor(lambda state: int(state.extended.random), write)


def _machine_check(field: str, bank: int | None = None) -> Accessor:
    def write(state: _native.VmState, value: int) -> None:
        if bank is None:
            setattr(state.extended, field, value)
        else:
            getattr(state.extended, field)[bank] = value

    def read(state: _native.VmState) -> int:
        found = getattr(state.extended, field)
        return int(found if bank is None else found[bank])

    return Accessor(read, write)


def _read_fstat(state: _native.VmState) -> int:
    return state.fpus & ~0x3800 | state.fpstt << 11


def _write_fstat(state: _native.VmState, value: int) -> None:
    state.fpus = value & ~0x3800
    state.fpstt = value >> 11 & 7


def _tag(state: _native.VmState, at: int) -> int:
    """Two bits of the tag word: valid, zero, special, empty (SDM 1 8.1.7)."""
    if state.fptags[at]:
        return 3
    exponent, mantissa = state.st_exponent[at] & 0x7FFF, state.st_mantissa[at]
    if exponent == 0 and mantissa == 0:
        return 1
    return 2 if exponent in (0, 0x7FFF) or not mantissa >> 63 else 0


def _read_ftag(state: _native.VmState) -> int:
    return sum(_tag(state, at) << 2 * at for at in range(8))


def _write_ftag(state: _native.VmState, value: int) -> None:
    for at in range(8):
        state.fptags[at] = value >> 2 * at & 3 == 3


def _segment(name: str) -> Callable[[_native.VmState], _native.Segment]:
    index = SEGMENTS.index(name)
    return lambda state: state.segs[index]


def _named(field: str) -> Callable[[_native.VmState], _native.Segment]:
    def find(state: _native.VmState) -> _native.Segment:
        found: _native.Segment = getattr(state, field)
        return found

    return find


def _table() -> dict[str, Accessor]:
    table = {name: _indexed("regs", index) for index, name in enumerate(GENERAL)}
    table |= {name: _plain(field) for name, field in PLAIN.items()}
    for name, find in [
        *((name, _segment(name)) for name in SEGMENTS),
        *((name, _named(field)) for name, field in SYSTEM_SEGMENTS.items()),
    ]:
        table[name] = _in_segment(find, "selector")
        table[f"{name}_base"] = _in_segment(find, "base")
        table[f"{name}_limit"] = _in_segment(find, "limit")
        table[f"{name}_flags"] = _in_segment(find, "flags")
    for name, field in TABLES.items():
        table[f"{name}_base"] = _in_segment(_named(field), "base")
        table[f"{name}_limit"] = _in_segment(_named(field), "limit")
    table |= {f"dr{n}": _indexed("dr", n) for n in (0, 1, 2, 3, 6, 7)}
    table |= {f"mtrr_fixed{n}": _indexed("mtrr_fixed", n) for n in range(11)}
    for n in range(8):
        table[f"mtrr_base{n}"] = _indexed("mtrr_var", 2 * n)
        table[f"mtrr_mask{n}"] = _indexed("mtrr_var", 2 * n + 1)
    table |= {f"st{n}": _st(n) for n in range(8)}
    table |= {f"xmm{n}": _xmm(n) for n in range(16)}
    table |= {name: _ymm(n) for n, name in enumerate(YMM)}
    table |= {name: _ymm_high(n) for n, name in enumerate(YMM_HIGH)}
    table[RANDOM] = _random()
    table |= {name: _machine_check(name) for name in ("mcg_cap", "mcg_status")}
    table |= {f"mc{bank}_ctl": _machine_check("mc_ctl", bank) for bank in range(_BANKS)}
    table["fstat"] = Accessor(_read_fstat, _write_fstat)
    table["ftag"] = Accessor(_read_ftag, _write_ftag)
    return table


REGISTERS = _table()
