"""Option ROMs made out to their functions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from devices.pci.option_rom import made_out


def rom(vendor: int = 0x1AF4, device: int = 0x1000, blocks: int = 2, filling: bytes = b"x") -> bytes:
    data = bytearray((filling * (512 * blocks))[: 512 * blocks])
    data[:3] = bytes([0x55, 0xAA, blocks])
    data[0x18:0x1A] = (0x40).to_bytes(2, "little")
    data[0x40:0x44] = b"PCIR"
    data[0x44:0x48] = vendor.to_bytes(2, "little") + device.to_bytes(2, "little")
    data[-1] = data[-1] - sum(data) & 0xFF
    return bytes(data)


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=9))
def test_it_has_the_identifiers_and_its_checksum_is_right(vendor, device, filling):
    made = made_out(rom(filling=filling), vendor, device)
    assert made[0x44:0x48] == vendor.to_bytes(2, "little") + device.to_bytes(2, "little")
    assert sum(made) & 0xFF == 0
    assert len(made) == 1024


def test_what_is_right_already_and_what_is_none_stays():
    assert made_out(rom(), 0x1AF4, 0x1000) == rom()
    for data in (b"", b"\x55\xaa", bytes(100), b"\x55\xaa" + bytes(100), rom().replace(b"PCIR", b"PCIX")):
        assert made_out(data, 1, 2) == data


@given(st.binary(max_size=100))
def test_anything_is_borne(data):
    for one in (data, b"\x55\xaa" + data, rom()[: len(data)]):
        assert len(made_out(one, 1, 2)) == len(one)
