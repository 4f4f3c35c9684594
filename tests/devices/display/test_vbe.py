"""VBE's registers hold what they can, whatever is written."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.display import vbe as vbe_reg
from devices.display.vbe import Vbe

SIZE = 16 << 20


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 0xFFFF) | st.sampled_from([0, 1, 4, 8, 32, 0x41])), max_size=30
    )
)
def test_the_picture_lies_in_memory(writes: list[tuple[int, int]]) -> None:
    vbe = Vbe(SIZE)
    for index, value in writes:
        vbe.write(index, value)
        vbe_reg.check(vbe.state)
        if vbe.enabled:
            width, height = vbe.size
            assert vbe.start + vbe.pitch * height <= SIZE
            assert width * vbe.depth // 8 <= vbe.pitch or vbe.depth == 15
        assert vbe.bank + vbe_reg.BANK_SIZE <= SIZE
        assert all(0 <= vbe.read(register) <= 0xFFFF for register in range(12))


def test_a_narrow_picture_has_more_lines_than_a_register_counts() -> None:
    vbe = Vbe(SIZE)
    for index, value in ((vbe_reg.X_RES, 8), (vbe_reg.Y_RES, 8), (vbe_reg.BPP, 4), (vbe_reg.ENABLE, 0x41)):
        vbe.write(index, value)
    assert vbe.read(vbe_reg.VIRTUAL_HEIGHT) == SIZE // 4 & 0xFFFF
