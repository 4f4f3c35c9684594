"""Option ROMs, made out to the function that has them: firmware runs those alone whose identifiers are the function's.

Source: PCI Firmware Specification 3.0, 5.1.2 (PCI data structure) and 5.2 (checksum); QEMU does the same for its ROMs.
"""

from __future__ import annotations

_SIGNATURE, _DATA = b"\x55\xaa", b"PCIR"
_POINTER, _LENGTH, _PATCHED = 0x18, 2, 6
"""Where the data structure is, how many blocks of 512 bytes there are, and a byte that nobody reads."""


def made_out(rom: bytes, vendor: int, device: int) -> bytes:
    """The first image with these identifiers, and with a right checksum; what is no option ROM comes back as it is."""
    at = int.from_bytes(rom[_POINTER : _POINTER + 2], "little")
    wanted = vendor.to_bytes(2, "little") + device.to_bytes(2, "little")
    if rom[:2] != _SIGNATURE or rom[at : at + 4] != _DATA or rom[at + 4 : at + 8] == wanted:
        return rom
    made = bytearray(rom)
    made[at + 4 : at + 8] = wanted
    size = made[_LENGTH] * 512
    made[_PATCHED] = made[_PATCHED] - sum(made[:size]) & 0xFF
    return bytes(made)
