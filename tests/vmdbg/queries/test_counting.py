"""Rows counted by what they have in common."""

from __future__ import annotations

from collections import Counter

from tests.vmdbg.debugger.programs import go, program
from vmdbg.queries.counting import count_by
from vmdbg.queries.queries import Queries

EDGE = 0x211000
FORMS = (
    f"mov [{EDGE - 3:#x}], rax", f"inc dword [{EDGE - 1:#x}]", f"mov eax, [{EDGE - 2:#x}]", f"mov [{EDGE:#x}], eax",
    f"movups [{EDGE - 8:#x}], xmm0", f"add [{EDGE - 4:#x}], rcx", f"mov [{EDGE - 4:#x}], eax",
    f"push qword [{EDGE - 7:#x}]", f"xchg [{EDGE - 1:#x}], ax", f"lock xadd [{EDGE - 5:#x}], rdx",
    f"cmp word [{EDGE - 1:#x}], 7",
)  # fmt: skip


def test_an_access_to_two_pages_counts_once() -> None:
    code = "".join(f"label_{number}: {form}\n" for number, form in enumerate(FORMS))
    source = f"mov r15d, 3\nagain:\n{code}lea rsp, [rsp + 8]\ndec r15d\njnz again\nfinish 0\n"
    labels = [f"label_{number}" for number in range(len(FORMS))]
    with program(source, *labels) as (debugger, at, _):
        go(debugger)
        queries = Queries(debugger.timeline, workers=1)
        rows = queries.accesses(EDGE - 16, 32)
        ways = Counter((pc, how) for _, pc, how in {(row.position, row.pc, row.access) for row in rows})
        assert len(rows) > ways.total(), "of some there are two"
        assert {pc for pc, _ in ways} == {at[label] for label in labels}
        counted = count_by(rows, ("pc", "access"), lambda _: "")
        assert {row.what: row.count for row in counted} == {f"{pc:#x}  {how}": n for (pc, how), n in ways.items()}
        assert {row.count for row in counted} == {3}
        assert sum(row.count for row in count_by(rows, ("linear",), lambda _: "")) == ways.total()
