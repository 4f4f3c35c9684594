"""PAM: what the host bridge says of C0000h to FFFFFh, whatever was written how."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.pci.host_bridge import HostBridge

writes = st.lists(
    st.tuples(st.integers(0x56, 0x60), st.sampled_from([1, 2, 4]), st.integers(0, (1 << 32) - 1)), max_size=20
)


class Memory:
    """Sixteen times 16 KiB, each with whether loads and stores go to RAM."""

    def __init__(self) -> None:
        self.parts: dict[int, tuple[bool, bool]] = {}

    def attribute(self, addresses: range, reads: bool, writes: bool) -> None:
        for start in range(addresses.start, addresses.stop, 0x4000):
            self.parts[start] = reads, writes


def expected(registers: list[int]) -> dict[int, tuple[bool, bool]]:
    """By table 3-5 of the data sheet, line by line."""
    parts = {}
    for n in range(16):
        start = 0xC0000 + 0x4000 * n
        nibble = registers[0] >> 4 if start >= 0xF0000 else registers[1 + n // 2] >> (4 if n % 2 else 0)
        parts[start] = bool(nibble & 1), bool(nibble & 2)
    return parts


@given(writes)
def test_memory_is_as_the_registers_say_after_each_write_and_restore(writes: list[tuple[int, int, int]]) -> None:
    memory = Memory()
    bridge = HostBridge(memory.attribute)
    saved, before = bridge.save(), dict(memory.parts)
    assert set(before.values()) == {(False, False)}
    for register, size, value in writes:
        register &= -size
        bridge.write_config(register, size, value & (1 << 8 * size) - 1)
        assert memory.parts == expected([bridge.read_config(at, 1) for at in range(0x59, 0x60)])
    bridge.restore(saved)
    assert memory.parts == before
