"""Pages of a machine under one row of numbers, and where the guest has them."""

from __future__ import annotations

import random

import pytest

from vmdbg.engine.unicorn.bare import BareCpu
from vmdbg.machine.paged import MachinePages
from vmdbg.units import PAGE_SIZE


@pytest.mark.parametrize("gibibytes", [1, 3, 5])
def test_pages_are_found_by_where_the_guest_has_them(gibibytes: int) -> None:
    cpu = BareCpu(pages=(gibibytes << 30) // PAGE_SIZE)
    try:
        pages = MachinePages(cpu.engine, [])
        numbers = {*random.Random(1).choices(range(pages.count), k=2000), 0, pages.count - 1}
        places = {place // PAGE_SIZE for number in numbers if (place := pages.physical(number)) is not None}
        assert len(places) == len(numbers)
        assert pages.of_physical(places) == numbers
    finally:
        cpu.close()
