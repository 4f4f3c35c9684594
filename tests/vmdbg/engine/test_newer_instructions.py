"""What x86-64-v3 has besides arithmetic, that ring 0 or the machine decides."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest

from vmdbg.engine.unicorn.bare import BareCpu
from vmdbg.errors import EngineError

UD, NM, SS, GP = 6, 7, 12, 13
OSXSAVE, UMIP, PCIDE, TS = 1 << 18, 1 << 11, 1 << 17, 8
AREA = 0xA000
SPACES = "x86-64-v3,+pcid,+invpcid"


@pytest.fixture
def cpu() -> Iterator[BareCpu]:
    bare = BareCpu(SPACES)
    yield bare
    bare.close()


def _vector(cpu: BareCpu, code: str, **registers: int) -> int | None:
    cpu.reset()
    cpu.engine.write_registers({"cr4": cpu["cr4"] | OSXSAVE, "xcr0": 7, "rdi": AREA} | registers)
    start = cpu.engine.clock
    cpu.run(bytes.fromhex(code))
    last = cpu.engine.deliveries()[-1:]
    return last[0].vector if last and last[0].tick >= start else None


def test_random_numbers_are_the_same_in_every_run_and_go_on_from_a_snapshot(cpu: BareCpu) -> None:
    draw = "0fc7f0480fc7fb0f92c1"  # rdrand eax; rdseed rbx; setc cl
    other = BareCpu(SPACES)
    drawn = []
    for one in (cpu, other):
        _vector(one, draw)
        saved = one.engine.snapshot()
        _vector(one, draw)
        drawn.append((one["rax"], one["rbx"], one["rcx"] & 1))
        one.engine.restore(saved)
        _vector(one, draw)
        assert (one["rax"], one["rbx"], one["rcx"] & 1) == drawn[-1]
    assert drawn[0] == drawn[1]
    assert drawn[0][0] < 1 << 32 <= drawn[0][1]
    assert drawn[0][2] == 1
    other.close()


def test_where_they_begin_is_a_register_of_models_that_have_them(cpu: BareCpu) -> None:
    drawn = []
    for start in (1, 2, 1):
        _vector(cpu, "0fc7f0", random_state=start)
        drawn.append(cpu["rax"])
    assert drawn[0] == drawn[2] != drawn[1]
    assert "random_state" not in BareCpu().engine.register_names


def test_a_state_of_a_model_without_it_is_refused(cpu: BareCpu) -> None:
    older = BareCpu()
    for one, another in ((cpu, older), (older, cpu)):
        with pytest.raises(EngineError):
            one.engine.restore(another.engine.snapshot())
    older.close()


@pytest.mark.parametrize("code", ["0f0007", "0f000f", "0f0107", "0f010f", "0f0127", "0f01e0"])
def test_umip_keeps_ring_3_from_system_registers(cpu: BareCpu, code: str) -> None:
    assert _vector(cpu, code, cr4=0x620 | UMIP) is None
    assert _ring3_vector(cpu, code, UMIP) == GP
    assert _ring3_vector(cpu, code, 0) == UD


def _ring3_vector(cpu: BareCpu, code: str, cr4: int) -> int:
    """Of the code in ring 3, with UD2 behind it: delivered on a stack that the TSS names."""
    tss = 0xB000
    cpu.write(tss + 4, struct.pack("<Q", 0x9000))
    ring3 = {"cs": 0xB, "cs_flags": 0xAFFB00, "ss": 0x13, "ss_flags": 0xCFF300, "tr": 0x18, "tr_base": tss}
    _vector(cpu, code + "0f0b", cr4=0x620 | cr4, tr_limit=0x67, **ring3)
    return cpu.engine.deliveries()[-1].vector


def test_vectors_need_what_the_kernel_allows(cpu: BareCpu) -> None:
    add = "c5fc58c1"
    assert _vector(cpu, add) is None
    assert _vector(cpu, add, cr4=0x620) == UD
    assert _vector(cpu, add, xcr0=3) == UD
    assert _vector(cpu, add, cr0=0x80010033 | TS) == NM
    assert _vector(cpu, "c4e278f2c1", cr4=0x620, xcr0=1) is None  # andn


@pytest.mark.parametrize(
    "code", ["66c5fc58c1", "f3c5fc58c1", "48c5fc58c1", "f0c5fc58c1", "c5f45077", "c4e2fd18c1", "c5fd6ec1"]
)
def test_encodings_that_are_none_are_refused(cpu: BareCpu, code: str) -> None:
    """Prefixes before VEX; vvvv, W and L where they must not be."""
    assert _vector(cpu, code) == UD


def test_aligned_moves_want_alignment(cpu: BareCpu) -> None:
    assert _vector(cpu, "c5fc2807") is None
    assert _vector(cpu, "c5fc284710") == GP  # of 16 bytes, for 32
    assert _vector(cpu, "c5f8284710") is None
    assert _vector(cpu, "c5fc104701") is None


def test_saved_state_comes_back(cpu: BareCpu) -> None:
    values = {f"ymm{n}": (n + 1) * 0x1111 << 8 * n for n in range(16)} | {
        "mxcsr": 0x3F80,
        "fctrl": 0x37F,
        "ftag": 0xFFFF,
    }
    assert _vector(cpu, "b8ffffffff31d20fae27", **values) is None  # xsave
    assert cpu.read(AREA + 512, 8) == 6
    assert _vector(cpu, "c5fc77b8ffffffff31d20fae2f", mxcsr=0x1F80) is None  # vzeroall, xrstor
    assert {name: cpu[name] for name in values} == values


def test_state_that_is_not_asked_for_or_not_saved(cpu: BareCpu) -> None:
    both = (1 << 255) + 5
    cpu.write(AREA, bytes(832))
    assert _vector(cpu, "b80400000031d20fae27", ymm3=both, xmm4=7) is None  # YMM's high lanes alone
    assert (cpu.read(AREA + 512, 8), cpu.read(AREA + 160 + 48, 16), cpu.read(AREA + 576 + 48, 16)) == (4, 0, 1 << 127)
    cpu.write(AREA + 512, bytes(8))
    assert _vector(cpu, "b80400000031d20fae2f", ymm3=both) is None  # not saved: as after a reset
    assert cpu["ymm3"] == 5


def test_xsaveopt_leaves_out_what_is_as_after_a_reset(cpu: BareCpu) -> None:
    cpu.write(AREA, b"\xaa" * 832)
    cpu.write(AREA + 512, bytes(64))
    zeros = {f"ymm{n}": 0 for n in range(16)}
    assert _vector(cpu, "b8ffffffff31d20fae37", **zeros) is None
    assert (cpu.read(AREA + 512, 8) & 6, cpu.read(AREA + 160, 1), cpu.read(AREA + 576, 1)) == (0, 0xAA, 0xAA)


@pytest.mark.parametrize(("at", "value"), [(512, 8), (520, 1 << 63), (528, 1), (24, 1 << 16)])
def test_areas_that_are_none_are_refused(cpu: BareCpu, at: int, value: int) -> None:
    cpu.write(AREA, bytes(832))
    assert _vector(cpu, "b8ffffffff31d20fae2f") is None
    cpu.write(AREA + at, value.to_bytes(8, "little"))
    assert _vector(cpu, "b8ffffffff31d20fae2f") == GP
    assert _vector(cpu, "b8ffffffff31d20fae6f08") == GP  # not aligned


@pytest.mark.parametrize(("value", "vector"), [(1, None), (3, None), (7, None), (0, GP), (5, GP), (8, GP), (6, GP)])
def test_xcr0_has_what_the_model_has(cpu: BareCpu, value: int, vector: int | None) -> None:
    assert _vector(cpu, f"31c931d2b8{value:02x}0000000f01d1") == vector
    assert vector or cpu["xcr0"] == value
    assert _vector(cpu, f"b90100000031d2b8{value:02x}0000000f01d1") == GP


def test_cpuid_tells_the_size_of_what_xcr0_has(cpu: BareCpu) -> None:
    for xcr0, size in ((1, 576), (7, 832), (0x207, 2696)):
        _vector(cpu, "b80d00000031c90fa2", xcr0=xcr0)
        assert (cpu["rax"], cpu["rbx"], cpu["rcx"]) == (0x207, size, 2696)


def test_pcids_are_in_cr3_and_its_top_bit_is_not_kept(cpu: BareCpu) -> None:
    load = "0f20d848ffc0480fbae83f0f22d8"  # mov rax, cr3; inc rax; bts rax, 63; mov cr3, rax
    root = cpu["cr3"]
    assert _vector(cpu, load, cr4=0x620 | PCIDE) is None
    assert cpu["cr3"] == root + 1
    assert _vector(cpu, load) == GP
    assert _vector(cpu, "0f20e0480fbae8110f22e0", cr3=root + 8) == GP  # PCIDs begin with PCID 0
    assert _vector(cpu, "0f20e0480fbae8110f22e0") is None


def test_invpcid_drops_translations(cpu: BareCpu) -> None:
    entry, page = 0x4050, 0xA000  # the page table's entry of that page
    for kind, clears in ((0, True), (1, True), (2, True), (3, True), (4, False)):
        cpu.write(0xB000, struct.pack("<2Q", 0, page))
        code = f"8a07{'80242550400000df'}48c7c0{kind:02x}000000660f388203{'8a07'}"
        vector = _vector(cpu, code, rbx=0xB000)
        assert vector == (None if clears else GP)
        if clears:
            assert cpu.read(entry, 1) & 0x20, kind


@pytest.mark.parametrize("code", ["660fae3f", "660fae37", "0f01f9", "f30faec0", "480fc7f8"])
def test_what_unicorn_has_is_switched_on(cpu: BareCpu, code: str) -> None:
    """CLFLUSHOPT, CLWB, RDTSCP, RDFSBASE, RDSEED."""
    assert _vector(cpu, code, cr4=0x620 | 1 << 16) is None
