"""The packets of QEMU's stub that front ends use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gdbstub.requests.parsing import constant, flag, number


@dataclass(frozen=True, slots=True)
class QemuSupported:
    """qqemu.Supported"""


@dataclass(frozen=True, slots=True)
class GetPhysicalMode:
    """qqemu.PhyMemMode"""


@dataclass(frozen=True, slots=True)
class SetPhysicalMode:
    """Qqemu.PhyMemMode:on"""

    on: bool


@dataclass(frozen=True, slots=True)
class StepMaskBits:
    """qqemu.sstepbits"""


@dataclass(frozen=True, slots=True)
class GetStepMask:
    """qqemu.sstep"""


@dataclass(frozen=True, slots=True)
class SetStepMask:
    """Qqemu.sstep=mask"""

    mask: int


QemuRequest = QemuSupported | GetPhysicalMode | SetPhysicalMode | StepMaskBits | GetStepMask | SetStepMask

PARSERS: Mapping[bytes, Callable[[bytes], QemuRequest]] = {
    b"qqemu.Supported": constant(QemuSupported(), "qqemu.Supported"),
    b"qqemu.PhyMemMode": constant(GetPhysicalMode(), "qqemu.PhyMemMode"),
    b"Qqemu.PhyMemMode": lambda fields: SetPhysicalMode(flag(fields.removeprefix(b":"), "Qqemu.PhyMemMode")),
    b"qqemu.sstepbits": constant(StepMaskBits(), "qqemu.sstepbits"),
    b"qqemu.sstep": constant(GetStepMask(), "qqemu.sstep"),
    b"Qqemu.sstep": lambda fields: SetStepMask(number(fields.lstrip(b"=:").removeprefix(b"0x"), "Qqemu.sstep")),
}
