"""Answers to QEMU's packets: physical addresses and what a step masks."""

from __future__ import annotations

from typing import assert_never

from gdbstub.errors import UnsupportedError
from gdbstub.replies import Ok, Reply, Text
from gdbstub.requests.qemu import (
    GetPhysicalMode,
    GetStepMask,
    QemuRequest,
    QemuSupported,
    SetPhysicalMode,
    SetStepMask,
    StepMaskBits,
)
from gdbstub.session.context import Context
from gdbstub.target import SSTEP_ENABLE, SSTEP_NOIRQ, SSTEP_NOTIMER, SingleStepMask


def answer(context: Context, request: QemuRequest) -> Reply:
    match request:
        case QemuSupported():
            return Text(_supported(context))
        case GetPhysicalMode():
            _need_physical(context)
            return Text(str(int(context.physical)))
        case SetPhysicalMode(on):
            _need_physical(context)
            context.physical = on
            return Ok()
        case StepMaskBits():
            _mask(context)
            return Text(f"ENABLE={SSTEP_ENABLE:x},NOIRQ={SSTEP_NOIRQ:x},NOTIMER={SSTEP_NOTIMER:x}")
        case GetStepMask():
            return Text(f"{_mask(context).get():#x}")
        case SetStepMask(mask):
            _mask(context).set(mask)
            return Ok()
    assert_never(request)


def _supported(context: Context) -> str:
    steps = ["sstepbits", "sstep"] if context.target.single_step_mask is not None else []
    return ";".join(steps + (["PhyMemMode"] if context.target.physical is not None else []))


def _need_physical(context: Context) -> None:
    if context.target.physical is None:
        raise UnsupportedError("no physical memory port")


def _mask(context: Context) -> SingleStepMask:
    if context.target.single_step_mask is None:
        raise UnsupportedError("no step mask")
    return context.target.single_step_mask
