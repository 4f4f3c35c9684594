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
    """qqemu.sstepbits, or with a capital Q: QEMU takes both, and clients send either"""


@dataclass(frozen=True, slots=True)
class GetStepMask:
    """qqemu.sstep or Qqemu.sstep"""


@dataclass(frozen=True, slots=True)
class SetStepMask:
    """Qqemu.sstep=mask"""

    mask: int


QemuRequest = QemuSupported | GetPhysicalMode | SetPhysicalMode | StepMaskBits | GetStepMask | SetStepMask


def _step_mask(fields: bytes) -> SetStepMask:
    return SetStepMask(number(fields.lstrip(b"=:").removeprefix(b"0x"), "Qqemu.sstep"))


PARSERS: Mapping[bytes, Callable[[bytes], QemuRequest]] = {
    b"qqemu.Supported": constant(QemuSupported(), "qqemu.Supported"),
    b"qqemu.PhyMemMode": constant(GetPhysicalMode(), "qqemu.PhyMemMode"),
    b"Qqemu.PhyMemMode": lambda fields: SetPhysicalMode(flag(fields.removeprefix(b":"), "Qqemu.PhyMemMode")),
    b"qqemu.sstepbits": constant(StepMaskBits(), "qqemu.sstepbits"),
    b"qqemu.sstep": constant(GetStepMask(), "qqemu.sstep"),
    b"Qqemu.sstepbits": constant(StepMaskBits(), "Qqemu.sstepbits"),
    b"Qqemu.sstep": lambda fields: _step_mask(fields) if fields else GetStepMask(),
}
