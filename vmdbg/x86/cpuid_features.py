"""CPUID feature bits: name to (leaf, subleaf, output, bit). SDM 2A tables 3-8 to 3-20, APM 3 appendix E.

Names are those of Linux's /proc/cpuinfo.
"""

from __future__ import annotations

from enum import IntEnum


class Output(IntEnum):
    """The output registers in the order that results list them."""

    EAX = 0
    EBX = 1
    ECX = 2
    EDX = 3


_LEAF_1_EDX = """fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush
 - dts acpi mmx fxsr sse sse2 ss ht tm ia64 pbe"""
_LEAF_1_ECX = """sse3 pclmulqdq dtes64 monitor ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm
 - pcid dca sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave osxsave avx f16c rdrand
 hypervisor"""
_LEAF_7_EBX = """fsgsbase tsc_adjust sgx bmi1 hle avx2 fdp_excptn_only smep bmi2 erms invpcid rtm cqm
 zero_fcs_fds mpx rdt_a avx512f avx512dq rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf
 avx512er avx512cd sha_ni avx512bw avx512vl"""
_LEAF_7_ECX = """prefetchwt1 avx512vbmi umip pku ospke waitpkg avx512_vbmi2 cet_ss gfni vaes vpclmulqdq
 avx512_vnni avx512_bitalg tme avx512_vpopcntdq - la57"""
_EXTENDED_ECX = """lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop
 skinit wdt - lwp fma4 tce"""
_EXTENDED_EDX = {
    11: "syscall",
    19: "mp",
    20: "nx",
    22: "mmxext",
    25: "fxsr_opt",
    26: "pdpe1gb",
    27: "rdtscp",
    29: "lm",
}


def _words(leaf: int, output: Output, names: str) -> dict[str, tuple[int, int, Output, int]]:
    return {name: (leaf, 0, output, bit) for bit, name in enumerate(names.split()) if name != "-"}


FEATURES: dict[str, tuple[int, int, Output, int]] = {
    **_words(1, Output.EDX, _LEAF_1_EDX),
    **_words(1, Output.ECX, _LEAF_1_ECX),
    "arat": (6, 0, Output.EAX, 2),
    **_words(7, Output.EBX, _LEAF_7_EBX),
    **_words(7, Output.ECX, _LEAF_7_ECX),
    "xsaveopt": (0xD, 1, Output.EAX, 0),
    "xgetbv1": (0xD, 1, Output.EAX, 2),
    **_words(0x8000_0001, Output.ECX, _EXTENDED_ECX),
    **{name: (0x8000_0001, 0, Output.EDX, bit) for bit, name in _EXTENDED_EDX.items()},
    "invariant_tsc": (0x8000_0007, 0, Output.EDX, 8),
}
