"""CPU models: what each `--cpu` has, and what may be added to it or taken from it.

Decisions behind the models:

- Only what the engine truly runs is claimed.
- GenuineIntel, because Linux believes the TSC frequency of leaf 15h only from Intel; family 6 model 54 (Atom
  Cedarview), because it does not speculate, no more than an emulator does: Linux then leaves out page-table
  isolation, retpolines and every other mitigation by itself.
- ERMS is not claimed: the engine runs string instructions an iteration at a time, so wide moves are better.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from vmdbg.errors import UserError


@dataclass(frozen=True, slots=True)
class CpuModel:
    """What distinguishes one model from another. `max_leaf` is the highest basic leaf."""

    name: str
    description: str
    family: int
    model: int
    stepping: int
    max_leaf: int
    features: frozenset[str]
    physical_bits: int = 40
    linear_bits: int = 48
    vendor: bytes = b"GenuineIntel"

    @property
    def signature(self) -> int:
        """Leaf 1 EAX: stepping, model and family with their extensions (SDM 2A figure 3-6)."""
        extended_family = max(0, self.family - 15)
        return (
            extended_family << 20
            | (self.model >> 4) << 16
            | min(self.family, 15) << 8
            | (self.model & 15) << 4
            | self.stepping
        )

    @property
    def brand(self) -> str:
        return f"vmdbg {self.name} CPU @ 1.00GHz"


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PENTIUM = _names("fpu de pse tsc msr cx8")
_I586 = _PENTIUM | {"mmx"}
_PENTIUM2 = _I586 | _names("pae sep mtrr pge cmov pat pse36 fxsr hypervisor")
_I686 = _PENTIUM2 | {"sse"}
_X86_64 = _I686 | _names("sse2 clflush syscall nx lm rdtscp invariant_tsc arat 3dnowprefetch")
_X86_64_V2 = _X86_64 | _names("sse3 ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm")
_BASE = _X86_64_V2 | _names("movbe aes pclmulqdq abm adx fsgsbase smep smap pdpe1gb")

_V3 = _names("xsave xsaveopt xgetbv1 avx avx2 fma f16c bmi1 bmi2 clflushopt clwb rdrand rdseed umip pku mce mca")
_X86_64_V3 = _BASE | _V3
_ALSO = _names("pcid invpcid")
"""What no model has, but may be added: Linux gives processes one CR3 after the other, which debuggers compare."""

MODELS: dict[str, CpuModel] = {
    model.name: model
    for model in (
        CpuModel("486", "32 bits without TSC, MSRs or CMPXCHG8B, a 486DX4", 4, 8, 3, 1, _names("fpu"), 32, 32),
        CpuModel("pentium", "32 bits without MMX, the first Pentium", 5, 2, 5, 1, _PENTIUM, 32, 32),
        CpuModel("i586", "32 bits without PAE or SSE, a Pentium MMX", 5, 4, 3, 1, _I586, 32, 32),
        CpuModel("pentium2", "32 bits with PAE and MMX, a Pentium II", 6, 5, 2, 2, _PENTIUM2, 36, 32),
        CpuModel("i686", "32 bits with PAE and SSE, a Pentium III", 6, 8, 3, 2, _I686, 36, 32),
        CpuModel("x86-64", "the first 64-bit level: SSE2", 6, 54, 1, 0x16, _X86_64),
        CpuModel("x86-64-v2", "the x86-64-v2 level: SSE4.2, POPCNT, CX16", 6, 54, 1, 0x16, _X86_64_V2),
        CpuModel("base", "what has always been the default: x86-64-v2 and more", 6, 54, 1, 0x16, _BASE),
        CpuModel("x86-64-v3", "the x86-64-v3 level and more: AVX2, FMA, BMI2, PKU", 6, 54, 1, 0x16, _X86_64_V3),
    )
}
DEFAULT_MODEL = "base"
CHANGEABLE: frozenset[str] = _ALSO.union(*(model.features for model in MODELS.values()))
"""What the engine runs where a model has it, and refuses where it does not."""

_NEEDS: dict[str, tuple[str, ...]] = {
    "sse": ("fxsr", "mmx"),
    "sse2": ("sse", "clflush"),
    "sse3": ("sse2",),
    "ssse3": ("sse3",),
    "sse4_1": ("ssse3",),
    "sse4_2": ("sse4_1",),
    "xsave": ("fxsr", "sse2"),
    "xsaveopt": ("xsave",),
    "xgetbv1": ("xsave",),
    "avx": ("xsave", "sse4_2"),
    "avx2": ("avx",),
    "rdseed": ("rdrand",),
    "mce": ("msr",),
    "mca": ("mce",),
    "pku": ("lm", "xsave"),
    "pcid": ("lm",),
    "invpcid": ("lm",),
    "fma": ("avx",),
    "f16c": ("avx",),
    "aes": ("sse2",),
    "pclmulqdq": ("sse2",),
    "lm": ("pae", "sse2", "msr", "cx8", "cmov", "syscall", "nx"),
    "nx": ("pae", "msr"),
    "pse36": ("pse",),
    "cx16": ("cx8", "lm"),
    "pdpe1gb": ("lm",),
    "lahf_lm": ("lm",),
    "fsgsbase": ("lm",),
    "syscall": ("msr",),
    "sep": ("msr",),
    "mtrr": ("msr",),
    "pat": ("msr",),
    "rdtscp": ("tsc", "msr"),
    "invariant_tsc": ("tsc",),
}
"""What a feature stands on: it brings that along, and goes with it."""


def _with_needs(name: str) -> frozenset[str]:
    return frozenset({name}).union(*(_with_needs(other) for other in _NEEDS.get(name, ())))


def _with_dependents(name: str) -> frozenset[str]:
    return frozenset(other for other in CHANGEABLE if name in _with_needs(other))


def find_model(text: str) -> CpuModel:
    """The model that `NAME[,+FEATURE|,-FEATURE]...` says. Raises `UserError` that lists what there is."""
    name, *changes = text.lower().split(",")
    model = MODELS.get(name)
    if model is None:
        raise UserError(f"no CPU model {name!r}; there are: {', '.join(MODELS)}")
    for change in changes:
        sign, feature = change[:1], change[1:]
        if sign not in ("+", "-") or feature not in CHANGEABLE:
            raise UserError(
                f"no CPU feature {change!r}: +NAME or -NAME, of {', '.join(sorted(CHANGEABLE))}"
                if sign in ("+", "-")
                else f"{change!r} says neither +FEATURE nor -FEATURE; as in {model.name},-{min(model.features)}"
            )
        features = model.features | _with_needs(feature) if sign == "+" else model.features - _with_dependents(feature)
        model = replace(model, features=features)
    return model


def is_model(text: str) -> bool:
    """Whether find_model() knows it."""
    try:
        find_model(text)
    except UserError:
        return False
    return True
