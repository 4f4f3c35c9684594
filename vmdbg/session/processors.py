"""CPUs as users name them and as they are described."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmdbg.debugger.cpu import Cpu
from vmdbg.errors import UserError
from vmdbg.units import CpuId

if TYPE_CHECKING:
    from vmdbg.session.view import View


def chosen_cpu(view: View, number: str) -> CpuId:
    """The CPU that an expression names. Raises UserError if there is none."""
    wanted, several = view.integer(number), len(view.debugger.cpus)
    if not 0 <= wanted < several:
        there = f"CPUs 0 to {several - 1}" if several > 1 else "CPU 0 alone"
        raise UserError(f"there is no CPU {wanted}: the guest has {there}")
    return CpuId(wanted)


def state_words(cpu: Cpu) -> str:
    """What a CPU does next."""
    if cpu.waits_for_sipi:
        return "waits to be started"
    if cpu.has_turn:
        return "has its turn"
    return "halted" if cpu.halted else "waits for its turn"
