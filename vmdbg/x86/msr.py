"""Model-specific registers that matter, by name and index, with reset values and fields (SDM volume 4)."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.x86.fields import BitField, Field, decode_fields

MEMORY_TYPES = {0: "UC", 1: "WC", 4: "WT", 5: "WP", 6: "WB", 7: "UC-"}


@dataclass(frozen=True, slots=True)
class Msr:
    """One MSR. `name` is the architectural one without `IA32_`, lower case; `reset` is the power-up value."""

    index: int
    name: str
    description: str
    reset: int = 0
    layout: tuple[BitField, ...] = ()

    def decode(self, value: int) -> tuple[Field, ...]:
        """The fields of `value`; empty for a register that is one number."""
        return decode_fields(self.layout, value) if self.layout else ()


_APIC_BASE = (
    BitField("BSP", 8, meaning="bootstrap processor"),
    BitField("EXTD", 10, meaning="x2APIC mode"),
    BitField("EN", 11, meaning="local APIC enabled"),
    BitField("BASE", 12, 40, "physical page of the local APIC"),
)
EFER_LAYOUT = (
    BitField("SCE", 0, meaning="SYSCALL and SYSRET enabled"),
    BitField("LME", 8, meaning="long mode enabled"),
    BitField("LMA", 10, meaning="long mode active"),
    BitField("NXE", 11, meaning="no-execute pages enabled"),
    BitField("SVME", 12, meaning="secure virtual machine enabled"),
    BitField("LMSLE", 13, meaning="long mode segment limits enabled"),
    BitField("FFXSR", 14, meaning="fast FXSAVE and FXRSTOR"),
)
_STAR = (
    BitField("EIP", 0, 32, "SYSCALL target in legacy mode"),
    BitField("SYSCALL_CS", 32, 16, "CS of SYSCALL; SS is 8 above"),
    BitField("SYSRET_CS", 48, 16, "base of SYSRET's CS (+16 to 64-bit) and SS (+8)"),
)
_MISC_ENABLE = (
    BitField("FAST_STRINGS", 0, meaning="fast string operations"),
    BitField("TCC", 3, meaning="automatic thermal control"),
    BitField("PERFMON", 7, meaning="performance monitoring available"),
    BitField("BTS_UNAVAILABLE", 11, meaning="branch trace storage unavailable"),
    BitField("PEBS_UNAVAILABLE", 12, meaning="precise event sampling unavailable"),
    BitField("EIST", 16, meaning="enhanced SpeedStep"),
    BitField("MONITOR", 18, meaning="MONITOR and MWAIT enabled"),
    BitField("LIMIT_CPUID", 22, meaning="CPUID limited to leaf 3"),
    BitField("XTPR_DISABLE", 23, meaning="xTPR messages disabled"),
    BitField("XD_DISABLE", 34, meaning="no-execute feature hidden"),
)
_FEATURE_CONTROL = (
    BitField("LOCK", 0, meaning="locked until reset"),
    BitField("VMX_IN_SMX", 1, meaning="VMXON allowed in SMX"),
    BitField("VMX", 2, meaning="VMXON allowed outside SMX"),
)
_MTRR_CAP = (
    BitField("VCNT", 0, 8, "variable ranges"),
    BitField("FIX", 8, meaning="fixed ranges supported"),
    BitField("WC", 10, meaning="write-combining supported"),
    BitField("SMRR", 11, meaning="SMRR supported"),
)
_MTRR_DEF_TYPE = (
    BitField("TYPE", 0, 8, "default memory type", MEMORY_TYPES),
    BitField("FE", 10, meaning="fixed ranges enabled"),
    BitField("E", 11, meaning="MTRRs enabled"),
)
_MTRR_BASE = (
    BitField("TYPE", 0, 8, "memory type", MEMORY_TYPES),
    BitField("BASE", 12, 40, "first page of the range"),
)
_MTRR_MASK = (
    BitField("V", 11, meaning="range valid"),
    BitField("MASK", 12, 40, "page-number bits compared"),
)
_PAT = tuple(BitField(f"PA{n}", 8 * n, 3, f"memory type of PAT index {n}", MEMORY_TYPES) for n in range(8))
_MCG_CAP = (
    BitField("COUNT", 0, 8, "error-reporting banks"),
    BitField("CTL_P", 8, meaning="MCG_CTL present"),
    BitField("SER_P", 24, meaning="software error recovery"),
)
_MCG_STATUS = (
    BitField("RIPV", 0, meaning="restart is possible"),
    BitField("EIPV", 1, meaning="the pushed IP is that of the error"),
    BitField("MCIP", 2, meaning="machine check in progress"),
)
_DEBUGCTL = (
    BitField("LBR", 0, meaning="last branch records on"),
    BitField("BTF", 1, meaning="single-step on branches"),
    BitField("TR", 6, meaning="trace messages"),
    BitField("BTS", 7, meaning="branch trace store"),
    BitField("BTINT", 8, meaning="interrupt when the branch buffer is full"),
)
_PLATFORM_ID = (BitField("PLATFORM", 50, 3, "platform for microcode updates"),)
_BIOS_SIGN_ID = (BitField("REVISION", 32, 32, "microcode revision, after CPUID leaf 1"),)

_FIXED_MTRRS = (
    (0x250, "mtrr_fix64k_00000"),
    (0x258, "mtrr_fix16k_80000"),
    (0x259, "mtrr_fix16k_a0000"),
    (0x268, "mtrr_fix4k_c0000"),
    (0x269, "mtrr_fix4k_c8000"),
    (0x26A, "mtrr_fix4k_d0000"),
    (0x26B, "mtrr_fix4k_d8000"),
    (0x26C, "mtrr_fix4k_e0000"),
    (0x26D, "mtrr_fix4k_e8000"),
    (0x26E, "mtrr_fix4k_f0000"),
    (0x26F, "mtrr_fix4k_f8000"),
)


def _fixed_mtrr(index: int, name: str) -> Msr:
    layout = tuple(BitField(f"R{n}", 8 * n, 8, f"memory type of piece {n}", MEMORY_TYPES) for n in range(8))
    return Msr(index, name, "fixed-range memory types", layout=layout)


def _variable_mtrrs() -> tuple[Msr, ...]:
    pairs = []
    for n in range(8):
        pairs.append(Msr(0x200 + 2 * n, f"mtrr_physbase{n}", f"variable range {n}, base", layout=_MTRR_BASE))
        pairs.append(Msr(0x201 + 2 * n, f"mtrr_physmask{n}", f"variable range {n}, mask", layout=_MTRR_MASK))
    return tuple(pairs)


MSRS: tuple[Msr, ...] = (
    Msr(0x10, "tsc", "time-stamp counter"),
    Msr(0x17, "platform_id", "platform", layout=_PLATFORM_ID),
    Msr(0x1B, "apic_base", "local APIC base and enables", 0xFEE0_0900, _APIC_BASE),
    Msr(0x34, "smi_count", "system management interrupts since reset"),
    Msr(0x3A, "feature_control", "control of VMX and SMX", layout=_FEATURE_CONTROL),
    Msr(0x3B, "tsc_adjust", "offset added to the time-stamp counter"),
    Msr(0x8B, "bios_sign_id", "microcode revision", 1 << 32, _BIOS_SIGN_ID),
    Msr(0xFE, "mtrrcap", "MTRR capabilities", 0x508, _MTRR_CAP),
    Msr(0x174, "sysenter_cs", "CS of SYSENTER; SS is 8 above"),
    Msr(0x175, "sysenter_esp", "stack pointer of SYSENTER"),
    Msr(0x176, "sysenter_eip", "target of SYSENTER"),
    Msr(0x179, "mcg_cap", "machine-check capabilities", layout=_MCG_CAP),
    Msr(0x17A, "mcg_status", "machine-check state", layout=_MCG_STATUS),
    Msr(0x17B, "mcg_ctl", "machine-check control"),
    Msr(0x198, "perf_status", "current performance state"),
    Msr(0x1A0, "misc_enable", "miscellaneous features", 1, _MISC_ENABLE),
    Msr(0x1D9, "debugctl", "debug control", layout=_DEBUGCTL),
    *_variable_mtrrs(),
    *(_fixed_mtrr(index, name) for index, name in _FIXED_MTRRS),
    Msr(0x277, "pat", "page attribute table", 0x0007_0406_0007_0406, _PAT),
    Msr(0x2FF, "mtrr_def_type", "default memory type", 0, _MTRR_DEF_TYPE),
    *(Msr(0x400 + 4 * bank, f"mc{bank}_ctl", f"errors that bank {bank} reports") for bank in range(4)),
    Msr(0xC000_0080, "efer", "extended feature enables", 0, EFER_LAYOUT),
    Msr(0xC000_0081, "star", "SYSCALL and SYSRET selectors", 0, _STAR),
    Msr(0xC000_0082, "lstar", "SYSCALL target in 64-bit mode"),
    Msr(0xC000_0083, "cstar", "SYSCALL target in compatibility mode"),
    Msr(0xC000_0084, "fmask", "flags that SYSCALL clears"),
    Msr(0xC000_0100, "fs_base", "base of FS"),
    Msr(0xC000_0101, "gs_base", "base of GS"),
    Msr(0xC000_0102, "kernel_gs_base", "base that SWAPGS exchanges with GS"),
    Msr(0xC000_0103, "tsc_aux", "processor number for RDTSCP"),
)

BY_INDEX: dict[int, Msr] = {msr.index: msr for msr in MSRS}
BY_NAME: dict[str, Msr] = {msr.name: msr for msr in MSRS}

_ALIASES = {
    "time_stamp_counter": "tsc",
    "ucode_rev": "bios_sign_id",
    "sfmask": "fmask",
    "syscall_mask": "fmask",
    "feat_ctl": "feature_control",
    "mtrr_cap": "mtrrcap",
    "mtrrdeftype": "mtrr_def_type",
    "fsbase": "fs_base",
    "gsbase": "gs_base",
    "kernelgsbase": "kernel_gs_base",
    "apicbase": "apic_base",
}


def find_msr(text: str) -> Msr | None:
    """An MSR by name in any case, with or without `IA32_` or `MSR_IA32_`, or by number (`0x1b`, `1bh`)."""
    name = text.strip().lower().removeprefix("msr_").removeprefix("ia32_")
    found = BY_NAME.get(_ALIASES.get(name, name))
    if found is not None:
        return found
    try:
        index = int(name[:-1], 16) if name.endswith("h") else int(name, 0)
    except ValueError:
        return None
    return BY_INDEX.get(index)


FIRMWARE_MSRS: tuple[tuple[int, int], ...] = (
    *((index, 0 if name == "mtrr_fix16k_a0000" else 0x0606_0606_0606_0606) for index, name in _FIXED_MTRRS),
    (0x2FF, 0xC06),
)
"""What firmware leaves in the MTRRs: write-back everywhere but video memory. Without it Linux finds MTRRs
disabled and warns, and refuses to use the PAT."""
