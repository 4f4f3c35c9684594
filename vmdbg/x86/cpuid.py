"""CPUID as data: what a model tells the guest (SDM 2A, CPUID), independent of the host.

- The hypervisor bit is set, with a signature of our own at leaf 40000000h: guests then leave microcode
  updates and model-specific probing alone.
- Leaf 15h gives TSC and crystal; Linux takes the crystal for the local APIC's timer clock.
- x2APIC is claimed where there are several CPUs. Where they lie is in leaves 1, 4 and Bh; Intel's have nothing of it
  in 80000008h or 8000001Eh, which are AMD's.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from vmdbg.x86.cpu_models import CpuModel
from vmdbg.x86.cpuid_features import FEATURES, Output
from vmdbg.x86.topology import ONE_CPU, Topology

HYPERVISOR_SIGNATURE = b"vmdbgvmdbg\0\0"
HYPERVISOR_BASE = 0x4000_0000
EXTENDED_BASE = 0x8000_0000
ANY_SUBLEAF = None

Result = tuple[int, int, int, int]
"""EAX, EBX, ECX, EDX."""


@dataclass(frozen=True, slots=True)
class CpuidRow:
    """One line of the table that the native part searches. `subleaf` is None where ECX does not matter."""

    leaf: int
    subleaf: int | None
    eax: int
    ebx: int
    ecx: int
    edx: int


class CpuidTable:
    """The whole of CPUID for one configured CPU. Constant: no result depends on the CPU's state.

    A lookup takes the row of (leaf, subleaf), else that of the leaf with any subleaf. With neither, a leaf
    within the basic or extended range gives zeros; one beyond gives what the highest basic leaf gives
    (SDM 2A, CPUID, "INPUT EAX"). Subleaves past the last of leaf Bh give zeros too, where real CPUs repeat
    ECX and the APIC id.
    """

    def __init__(self, rows: Iterable[CpuidRow]) -> None:
        self.rows = tuple(rows)
        self._results = {(row.leaf, row.subleaf): (row.eax, row.ebx, row.ecx, row.edx) for row in self.rows}
        self._leaves = {row.leaf for row in self.rows}
        self.max_basic = self._results[0, ANY_SUBLEAF][0]
        self.max_extended = self._results[EXTENDED_BASE, ANY_SUBLEAF][0]

    def cpuid(self, leaf: int, subleaf: int = 0) -> Result:
        """EAX, EBX, ECX, EDX for the 32-bit inputs EAX=leaf, ECX=subleaf."""
        found = self._find(leaf, subleaf)
        if found is None and leaf not in self._leaves and not self._in_range(leaf):
            found = self._find(self.max_basic, subleaf)
        return found if found is not None else (0, 0, 0, 0)

    def _find(self, leaf: int, subleaf: int) -> Result | None:
        return self._results.get((leaf, subleaf)) or self._results.get((leaf, ANY_SUBLEAF))

    def _in_range(self, leaf: int) -> bool:
        return leaf <= self.max_basic or EXTENDED_BASE <= leaf <= self.max_extended

    def features(self) -> frozenset[str]:
        """Names of the features that the table claims."""
        return frozenset(
            name
            for name, (leaf, subleaf, output, bit) in FEATURES.items()
            if leaf in self._leaves and self.cpuid(leaf, subleaf)[output] >> bit & 1
        )


def build_table(
    model: CpuModel,
    *,
    apic: bool = True,
    tsc_hz: int = 1_000_000_000,
    crystal_hz: int = 1_000_000_000,
    topology: Topology = ONE_CPU,
    cpu: int = 0,
) -> CpuidTable:
    """The table of CPU `cpu` of a machine. `crystal_hz` must be the clock of the local APIC's timer."""
    features = model.features | _features_of_several(model, topology) if apic else model.features
    rows = [
        CpuidRow(0, ANY_SUBLEAF, model.max_leaf, *_vendor(model.vendor)),
        *_basic_leaves(model, features, topology, topology.apic_id(cpu)),
        *_frequency_leaves(tsc_hz, crystal_hz),
        *_hypervisor_leaves(tsc_hz, crystal_hz, features),
        *_extended_leaves(model, features),
    ]
    return CpuidTable(row for row in rows if model.max_leaf >= row.leaf or row.leaf >= HYPERVISOR_BASE)


def _features_of_several(model: CpuModel, topology: Topology) -> frozenset[str]:
    """What comes with local APICs."""
    several = {"x2apic"} if topology.cpus > 1 and "lm" in model.features else set()
    return frozenset({"apic", *several, *({"ht"} if topology.package_shift else ())})


def _word(features: frozenset[str], leaf: int, subleaf: int, output: Output) -> int:
    word = 0
    for name in features:
        if FEATURES[name][:3] == (leaf, subleaf, output):
            word |= 1 << FEATURES[name][3]
    return word


def _vendor(text: bytes) -> tuple[int, int, int]:
    """EBX, ECX, EDX of leaf 0, where the text goes EBX, EDX, ECX."""
    ebx, edx, ecx = (int.from_bytes(text[at : at + 4], "little") for at in (0, 4, 8))
    return ebx, ecx, edx


def _basic_leaves(model: CpuModel, features: frozenset[str], topology: Topology, apic_id: int) -> list[CpuidRow]:
    clflush_line = 8 << 8 if "clflush" in features else 0
    threads, package = topology.thread_bits, topology.package_shift
    cores = (1 << package - threads) - 1
    """APIC IDs of cores in a package, but one (SDM 2A, CPUID, leaf 4)."""
    return [
        CpuidRow(
            1,
            ANY_SUBLEAF,
            model.signature,
            apic_id << 24 | 1 << package + 16 | clflush_line,
            _word(features, 1, 0, Output.ECX),
            _word(features, 1, 0, Output.EDX),
        ),
        CpuidRow(2, ANY_SUBLEAF, 0x00FF_FF01 if model.max_leaf >= 4 else 0x01, 0, 0, 0),
        CpuidRow(4, 0, *_cache(level=1, kind=1, kib=32, ways=8, thread_bits=threads, cores=cores)),
        CpuidRow(4, 1, *_cache(level=1, kind=2, kib=32, ways=8, thread_bits=threads, cores=cores)),
        CpuidRow(4, 2, *_cache(level=2, kind=3, kib=512, ways=8, thread_bits=threads, cores=cores)),
        CpuidRow(6, ANY_SUBLEAF, _word(features, 6, 0, Output.EAX), 0, 0, 0),
        CpuidRow(7, 0, 0, _word(features, 7, 0, Output.EBX), _word(features, 7, 0, Output.ECX), 0),
        *_state_components(features),
        CpuidRow(0xB, 0, threads, topology.threads, 0x100, apic_id),
        CpuidRow(0xB, 1, package, topology.threads * topology.cores, 0x201, apic_id),
    ]


_LEGACY_AND_HEADER = 576
_COMPONENTS = {"avx": (2, 576, 256), "pku": (9, 2688, 8)}
"""By feature: the number in XCR0, where it lies in XSAVE's area, its size in bytes (SDM 1 13.4, 13.5)."""


def _state_components(features: frozenset[str]) -> list[CpuidRow]:
    """Leaf Dh. EBX of subleaf 0, which follows XCR0, is the engine's to tell; here it is that of all."""
    if "xsave" not in features:
        return []
    there = [component for feature, component in _COMPONENTS.items() if feature in features]
    mask = 3 | sum(1 << number for number, _, _ in there)
    size = max((at + size for _, at, size in there), default=_LEGACY_AND_HEADER)
    return [
        CpuidRow(0xD, 0, mask, size, size, 0),
        CpuidRow(0xD, 1, _word(features, 0xD, 1, Output.EAX), 0, 0, 0),
        *(CpuidRow(0xD, number, size, at, 0, 0) for number, at, size in there),
    ]


def _cache(level: int, kind: int, kib: int, ways: int, thread_bits: int, cores: int) -> Result:
    """Leaf 4 for 64-byte lines, of one core each; kind 1 is data, 2 instruction, 3 unified."""
    self_initializing = 1 << 8
    sets = kib * 1024 // 64 // ways
    shared = cores << 26 | (1 << thread_bits) - 1 << 14
    return shared | self_initializing | level << 5 | kind, (ways - 1) << 22 | 63, sets - 1, 0


def _frequency_leaves(tsc_hz: int, crystal_hz: int) -> list[CpuidRow]:
    common = math.gcd(tsc_hz, crystal_hz)
    mhz = tsc_hz // 1_000_000
    return [
        CpuidRow(0x15, ANY_SUBLEAF, crystal_hz // common, tsc_hz // common, crystal_hz, 0),
        CpuidRow(0x16, ANY_SUBLEAF, mhz, mhz, crystal_hz // 1_000_000, 0),
    ]


def _hypervisor_leaves(tsc_hz: int, crystal_hz: int, features: frozenset[str]) -> list[CpuidRow]:
    """The signature, and TSC and APIC timer in kHz at the leaf that VMware began and others follow."""
    if "hypervisor" not in features:
        return []
    highest = HYPERVISOR_BASE + 0x10
    words = (int.from_bytes(HYPERVISOR_SIGNATURE[at : at + 4], "little") for at in (0, 4, 8))
    return [
        CpuidRow(HYPERVISOR_BASE, ANY_SUBLEAF, highest, *words),
        *(CpuidRow(leaf, ANY_SUBLEAF, 0, 0, 0, 0) for leaf in range(HYPERVISOR_BASE + 1, highest)),
        CpuidRow(highest, ANY_SUBLEAF, tsc_hz // 1000, crystal_hz // 1000, 0, 0),
    ]


def _extended_leaves(model: CpuModel, features: frozenset[str]) -> list[CpuidRow]:
    brand = model.brand.encode().ljust(48, b"\0")
    words = [int.from_bytes(brand[at : at + 4], "little") for at in range(0, 48, 4)]
    l2_of_512k_8_way_64_bytes = 512 << 16 | 6 << 12 | 64
    return [
        CpuidRow(EXTENDED_BASE, ANY_SUBLEAF, EXTENDED_BASE + 8, 0, 0, 0),
        CpuidRow(
            EXTENDED_BASE + 1,
            ANY_SUBLEAF,
            0,
            0,
            _word(features, EXTENDED_BASE + 1, 0, Output.ECX),
            _word(features, EXTENDED_BASE + 1, 0, Output.EDX),
        ),
        *(CpuidRow(EXTENDED_BASE + 2 + n, ANY_SUBLEAF, *words[4 * n : 4 * n + 4]) for n in range(3)),
        CpuidRow(EXTENDED_BASE + 6, ANY_SUBLEAF, 0, 0, l2_of_512k_8_way_64_bytes, 0),
        CpuidRow(EXTENDED_BASE + 7, ANY_SUBLEAF, 0, 0, 0, _word(features, EXTENDED_BASE + 7, 0, Output.EDX)),
        CpuidRow(EXTENDED_BASE + 8, ANY_SUBLEAF, model.linear_bits << 8 | model.physical_bits, 0, 0, 0),
    ]
