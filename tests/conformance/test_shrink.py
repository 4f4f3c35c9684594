"""What is left of a case that differs."""

from __future__ import annotations

from functools import partial

from tests.conformance.batch import Batch
from tests.conformance.guest import GuestCpu
from tests.conformance.instructions import Instruction
from tests.conformance.layout import State
from tests.conformance.session import Tally, batch, compare_batch
from tests.conformance.shrink import inputs, shrink

NOP = Instruction(b"\x90", "nop", "")


class WrongOfBx:
    """Has another RAX than there should be where BX is odd and XMM3 is not 0."""

    def __init__(self, right: GuestCpu) -> None:
        self._right = right

    def run(self, batch: Batch) -> list[State]:
        found = self._right.run(batch)
        return [_wrong(state) if state.register("rbx") & 1 and state.xmm(3) else state for state in found]


def _wrong(state: State) -> State:
    return State(bytes([state.raw[0] ^ 1]) + state.raw[1:])


def test_a_difference_shrinks_to_the_inputs_that_make_it() -> None:
    states = [state for seed in range(4) for state in batch("one byte", seed).states]
    with GuestCpu() as guest:
        tally, compare = Tally(), partial(compare_batch, oracle=guest, engine=WrongOfBx(guest))
        compare("nothing", 1, Batch([NOP], states), tally)
        assert 4 < len(tally.unexplained) < len(states)
        for unexplained in tally.unexplained[:2]:
            small = shrink(unexplained, compare)
            before = unexplained.case.before
            assert inputs(small.case.before) == f"rbx {before.register('rbx'):#x}, xmm3 {before.xmm(3):#x}"
            assert [difference.name for difference in small.differences] == ["rax"]
