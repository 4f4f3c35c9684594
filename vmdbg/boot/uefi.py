"""UEFI firmware as OVMF is: a volume of variables, which is flash memory, and the code behind it.

Source: UEFI PI specification 1.8, volume 3, 3.2.1 (firmware volume header).
"""

from __future__ import annotations

import struct
from os.path import isfile
from pathlib import Path

from vmdbg.boot.image import InputFile
from vmdbg.errors import UserError
from vmdbg.units import PAGE_SIZE

_HEADER = struct.Struct("<16s16sQ4s")
_SIGNATURE = b"_FVH"
_VARIABLES_GUID = bytes.fromhex("8d2bf1ff96768b4ca9852747075b4f50")
"""EFI_SYSTEM_NV_DATA_FV_GUID."""


def with_variables(firmware: InputFile, nvram: InputFile | None) -> tuple[bytes | memoryview, int]:
    """What lies below 4 GiB, and how many bytes of it are variables; 0 for firmware that is no UEFI.

    `nvram` comes before firmware that has none of its own, and replaces what it has. Raises UserError.
    """
    volume = _volume(firmware.data)
    if volume is None:
        if nvram is not None:
            raise UserError(f"{firmware.name} is no UEFI firmware: it has no use for --nvram {nvram.name}")
        return firmware.data, 0
    guid, size = volume
    if guid == _VARIABLES_GUID:
        own = _checked(firmware, size)
        if own == len(firmware.data):
            raise UserError(
                f"{firmware.name} has UEFI variables and no firmware: give it with --nvram, and that with --bios"
            )
        if nvram is None:
            return firmware.data, own
        if _variables(nvram) != own:
            raise UserError(f"{nvram.name} has {len(nvram.data)} bytes: {firmware.name} has room for {own}")
        return bytes(nvram.data) + bytes(firmware.data[own:]), own
    if nvram is None:
        raise UserError(f"{firmware.name} is UEFI firmware without variables: name a file of them with --nvram FILE")
    return bytes(nvram.data) + bytes(firmware.data), _variables(nvram)


def variables_beside(firmware: str) -> str | None:
    """The file of variables that distributions put beside a file of code: OVMF_VARS_4M.fd beside OVMF_CODE_4M.fd."""
    path = Path(firmware)
    if "CODE" not in path.name:
        return None
    names = path.name.replace("CODE", "VARS"), path.name.replace("CODE", "VARS").replace(".secboot", "")
    return next((str(path.with_name(name)) for name in names if isfile(path.with_name(name))), None)


def _volume(data: memoryview) -> tuple[bytes, int] | None:
    """GUID and length of the firmware volume that the data begins with."""
    if len(data) < _HEADER.size:
        return None
    _, guid, length, signature = _HEADER.unpack_from(data)
    return (guid, length) if signature == _SIGNATURE else None


def _variables(nvram: InputFile) -> int:
    """The size of a file of variables."""
    volume = _volume(nvram.data)
    if volume is None or volume[0] != _VARIABLES_GUID:
        raise UserError(f"{nvram.name} is no file of UEFI variables: give one such as OVMF_VARS.fd")
    _checked(nvram, volume[1])
    return len(nvram.data)


def _checked(file: InputFile, size: int) -> int:
    if size % PAGE_SIZE or not 0 < size <= len(file.data):
        raise UserError(f"{file.name} is damaged: its volume of variables says that it has {size} bytes")
    return size
