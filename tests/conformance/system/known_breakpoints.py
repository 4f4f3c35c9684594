"""Where QEMU reports data breakpoints otherwise than the SDM says."""

from __future__ import annotations

from tests.conformance.system.follow import Step
from tests.conformance.system.known_kinds import DB, Act
from tests.conformance.system.layout import HANGS, MONITOR, MONITOR_END, TRIPLE_FAULT, Result
from tests.conformance.system.world import GDT, TSS_SLOT


def _breakpoint_at_handler(step: Step, expected: Result, found: Result) -> bool:
    """It traps behind a handler's first instruction what met a breakpoint before, or faulted then."""
    where = expected.record().get("rip", 0) if expected.vector == DB else 0
    return MONITOR <= where < MONITOR_END and bool(step.deliveries) and any(is_of_data(step, one) for one in range(4))


def is_of_data(step: Step, number: int) -> bool:
    return bool(step["dr7"] >> 2 * number & 3) and bool(step["dr7"] >> 16 + 4 * number & 1)


def _pushes_to_page_of_code(step: Step) -> bool:
    return (step["ss_base"] + step["rsp"] - 1 ^ step["cs_base"] + step["rip"]) & 0xFFFFF000 == 0


def _frame_in_page_of_code(step: Step, expected: Result, found: Result) -> bool:
    """The store ends QEMU's block, and the instruction faults again while it counts as being delivered."""
    faults = bool(step.deliveries) and step.deliveries[0].vector in (0, 10, 11, 12, 13, 14)
    return faults and _pushes_to_page_of_code(step)


def _frame_beside_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """In the page of the code, whose stores QEMU begins again until they are a triple fault."""
    page = step["cs_base"] + step["rip"] >> 12
    beside = any(is_of_data(step, number) and step[f"dr{number}"] >> 12 == page for number in range(4))
    return expected.vector == TRIPLE_FAULT and bool(step.deliveries) and beside and _pushes_to_page_of_code(step)


def _trap_forgotten(step: Step, expected: Result, found: Result) -> bool:
    """The same behind a data breakpoint whose #DB faults: the instruction is over, and QEMU goes on behind it."""
    where = expected.record().get("rip")
    faults = len(step.deliveries) > 1 and step.deliveries[0].vector == DB and step.deliveries[0].rip == where
    return faults and meets_breakpoint(step) and _pushes_to_page_of_code(step)


def _breakpoints_that_no_access_met(step: Step, expected: Result, found: Result) -> bool:
    before, after = expected.record(), found.record()
    if "dr6" not in before or not step.accesses():
        return False
    more = before["dr6"] & ~after.get("dr6", 0) & 15
    numbers = [number for number in range(4) if more >> number & 1]
    of_data = [number for number in numbers if step["dr7"] >> 16 + 4 * number & 1]
    behind = step["cs_base"] + step["rip"] + (step.instruction.size if step.instruction else 0)
    return (
        bool(of_data)
        and not any(_meets(step, number) for number in of_data)
        and all(step[f"dr{number}"] == behind for number in numbers if number not in of_data)
    )


def _pushes_in_parts(step: Step) -> bool:
    return step.mnemonic.startswith(("push", "call", "lcall")) and step["rsp"] % (8 if step.bits == 64 else 4) != 0


def _held_back(step: Step, expected: Result, found: Result) -> bool:
    """The #DB comes right behind it in QEMU."""
    loads = step.mnemonic in ("mov", "pop") and bool(step.operands) and step.operand_is(0, "ss")
    behind = step["rip"] + (step.instruction.size if step.instruction else 0)
    return loads and meets_breakpoint(step) and expected.vector == DB and expected.record()["rip"] == behind


def _stores_twice_beside_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """In the page of a breakpoint that it does not meet; its #DB may lead anywhere."""
    places = [(step[f"{segment}_base"] + offset, size) for segment, offset, size, stores in step.accesses() if stores]
    places += [(step["ss_base"] + step["rsp"] - 1, 1)] if _pushes_in_parts(step) else []
    in_parts = (
        step.mnemonic in ("sgdt", "sidt") or _pushes_in_parts(step) or any(at % size for at, size in places if size)
    )
    pages = {at >> 12 for at, _ in places}
    beside = any(is_of_data(step, number) and step[f"dr{number}"] >> 12 in pages for number in range(4))
    return in_parts and beside and not meets_breakpoint(step)


def _unaligned_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """The processor leaves out the lower bits of its address."""
    sizes = ((number, (step["dr7"] >> 18 + 4 * number & 3) + 1) for number in range(4) if is_of_data(step, number))
    unaligned = [(number, size) for number, size in sizes if step[f"dr{number}"] % size]
    return any(
        _meets(step, number, -(step[f"dr{number}"] % size)) or _meets(step, number) for number, size in unaligned
    )


def _monitor_meets_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    """Neither comes back: the monitor's handler loads the first descriptors of the case's GDT."""
    numbers = [number for number in range(4) if is_of_data(step, number)]
    ended = {expected.vector, found.vector} == {HANGS, TRIPLE_FAULT}
    return ended and any(GDT <= step[f"dr{number}"] | 3 < GDT + 8 * TSS_SLOT for number in numbers)


def _faults_at_breakpoint(step: Step, expected: Result, found: Result) -> bool:
    return bool(step.deliveries) and step.deliveries[0].vector != DB and meets_breakpoint(step)


def meets_breakpoint(step: Step) -> bool:
    """One of data that is enabled."""
    return any(is_of_data(step, number) and _meets(step, number) for number in range(4))


def _meets(step: Step, number: int, beside: int = 0) -> bool:
    """`beside`: what is added to its address."""
    begin, size = step[f"dr{number}"] + beside, (step["dr7"] >> 18 + 4 * number & 3) + 1
    return any(
        begin - one < step[f"{segment}_base"] + offset < begin + size for segment, offset, one, _ in step.accesses()
    )


BREAKPOINT_ACTS = (
    Act("data breakpoints that QEMU reports behind a handler's first instruction", _breakpoint_at_handler),
    Act("a fault whose frame goes to the page of its code, which QEMU delivers twice, as #DF", _frame_in_page_of_code),
    Act(
        "a frame that goes to the page of its code where a data breakpoint is, at which QEMU triple-faults",
        _frame_beside_breakpoint,
    ),
    Act(
        "a #DB that cannot be delivered, with a frame that goes to the page of its code, which QEMU forgets",
        _trap_forgotten,
    ),
    Act(
        "a data breakpoint that is at no multiple of its length (SDM 3B 18.2.5), of which QEMU takes all bits",
        _unaligned_breakpoint,
    ),
    Act(
        "a data breakpoint of an instruction that faults (SDM 3B 18.3.1.2: it is a trap), which QEMU reports",
        _faults_at_breakpoint,
    ),
    Act("a data breakpoint that no access met, which QEMU reports", _breakpoints_that_no_access_met),
    Act(
        "a data breakpoint in the page of what is stored in parts, which QEMU reports",
        _stores_twice_beside_breakpoint,
    ),
    Act("a data breakpoint that MOV SS or POP SS holds back (SDM 3A 6.8.3), which QEMU reports at once", _held_back),
    Act("a data breakpoint at descriptors that the monitor itself loads", _monitor_meets_breakpoint),
)
