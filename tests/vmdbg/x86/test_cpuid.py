from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmdbg.errors import UserError
from vmdbg.x86.cpu_models import MODELS, CpuModel, find_model
from vmdbg.x86.cpuid import CpuidTable, build_table
from vmdbg.x86.cpuid_features import FEATURES, Output

BASE = build_table(MODELS["base"])


def text(table: CpuidTable, leaves: list[int], order: tuple[int, ...] = (0, 1, 2, 3)) -> bytes:
    return b"".join(table.cpuid(leaf)[at].to_bytes(4, "little") for leaf in leaves for at in order)


@pytest.mark.parametrize(
    ("name", "leaf", "output", "bit"),
    [
        ("apic", 1, Output.EDX, 9),
        ("sse2", 1, Output.EDX, 26),
        ("cx16", 1, Output.ECX, 13),
        ("rdrand", 1, Output.ECX, 30),
        ("smap", 7, Output.EBX, 20),
        ("rdseed", 7, Output.EBX, 18),
        ("la57", 7, Output.ECX, 16),
        ("abm", 0x8000_0001, Output.ECX, 5),
        ("lm", 0x8000_0001, Output.EDX, 29),
    ],
)
def test_features_are_where_the_manual_puts_them(name: str, leaf: int, output: Output, bit: int) -> None:
    assert FEATURES[name] == (leaf, 0, output, bit)


def test_vendor_and_brand_read_as_text() -> None:
    assert text(BASE, [0], (1, 3, 2)) == b"GenuineIntel"
    assert text(BASE, [0x8000_0002, 0x8000_0003, 0x8000_0004]).rstrip(b"\0") == b"vmdbg base CPU @ 1.00GHz"
    assert text(BASE, [0x4000_0000], (1, 2, 3)) == b"vmdbgvmdbg\0\0"


def test_signature_splits_family_and_model() -> None:
    eax = BASE.cpuid(1)[0]
    assert (eax >> 8 & 15, (eax >> 12 & 0xF0) | eax >> 4 & 15, eax & 15) == (6, 54, 1)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
def test_table_claims_exactly_the_models_features(model: CpuModel) -> None:
    beyond = {"arat"} if model.max_leaf < 6 else set()
    assert build_table(model, apic=False).features() == model.features - beyond
    assert build_table(model).features() == (model.features | {"apic"}) - beyond


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)
@pytest.mark.parametrize("missing", ["avx512f", "monitor", "osxsave", "vmx", "svm", "erms", "sha_ni"])
def test_nothing_unimplemented_is_claimed(model: CpuModel, missing: str) -> None:
    assert missing not in build_table(model).features()


def test_state_components_are_those_of_the_features() -> None:
    table = build_table(MODELS["x86-64-v3"])
    assert table.cpuid(0xD, 0) == (0x207, 2696, 2696, 0)
    assert table.cpuid(0xD, 1)[0] == 5
    assert table.cpuid(0xD, 2)[:2] == (256, 576)
    assert table.cpuid(0xD, 9) == (8, 2688, 0, 0)
    assert build_table(find_model("x86-64-v3,-pku")).cpuid(0xD, 0) == (7, 832, 832, 0)
    assert build_table(find_model("x86-64-v3,-avx,-pku")).cpuid(0xD, 0) == (3, 576, 576, 0)
    assert BASE.cpuid(0xD, 0) == (0, 0, 0, 0)


def test_linux_can_take_the_tsc_frequency_from_leaf_15h() -> None:
    denominator, numerator, crystal, _ = build_table(MODELS["base"], crystal_hz=25_000_000).cpuid(0x15)
    assert crystal * numerator // denominator == 1_000_000_000
    assert BASE.cpuid(0x15)[:3] == (1, 1, 1_000_000_000)
    assert BASE.cpuid(0x16)[0] == 1000
    assert BASE.cpuid(0x8000_0007)[3] == 1 << 8


def test_address_sizes() -> None:
    assert BASE.cpuid(0x8000_0008)[0] == 48 << 8 | 40


@given(st.integers(0x17, 0x3FFF_FFFF) | st.integers(0x8000_0009, 0xFFFF_FFFF) | st.integers(0x4000_0011, 0x7FFF_FFFF))
def test_leaf_out_of_range_gives_the_highest_basic_leaf(leaf: int) -> None:
    assert BASE.cpuid(leaf) == BASE.cpuid(0x16) != (0, 0, 0, 0)


def test_hypervisor_leaves_without_meaning_are_zero() -> None:
    assert BASE.cpuid(0x4000_0001) == BASE.cpuid(0x4000_000F) == (0, 0, 0, 0)
    assert BASE.cpuid(0x4000_0010)[:2] == (1_000_000, 1_000_000)


def test_subleaves_past_the_last_are_zero() -> None:
    assert BASE.cpuid(4, 2)[0] & 31 == 3
    assert BASE.cpuid(4, 3) == BASE.cpuid(7, 1) == (0, 0, 0, 0)


def test_ecx_is_ignored_where_there_are_no_subleaves() -> None:
    assert BASE.cpuid(1, 77) == BASE.cpuid(1, 0)


def test_cache_sizes_add_up() -> None:
    _, ebx, ecx, _ = BASE.cpuid(4, 2)
    assert ((ebx >> 22) + 1) * ((ebx & 0xFFF) + 1) * (ecx + 1) == 512 * 1024


def test_old_models_end_at_their_leaf() -> None:
    i586 = build_table(MODELS["i586"])
    assert i586.max_basic == 1
    assert all(row.leaf <= 1 or row.leaf >= 0x4000_0000 for row in i586.rows)
    assert i586.cpuid(0x15) == i586.cpuid(1)


def test_unknown_model_is_refused_with_the_list() -> None:
    with pytest.raises(UserError, match="x86-64-v2, base"):
        find_model("z80")
    assert find_model("BASE").name == "base"
