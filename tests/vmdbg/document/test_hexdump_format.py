"""Lines of a hexadecimal dump."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vmdbg.document.hexdump_format import dump_lines


@given(st.binary(max_size=200), st.integers(0, 1 << 48))
def test_a_dump_holds_every_byte_that_it_does_not_fold(data: bytes, start: int) -> None:
    lines = [str(line) for line in dump_lines(start, data)]
    shown = {int(line.split()[0], 16): line for line in lines if line != "*"}
    for at, line in shown.items():
        row = data[at - start : at - start + 16]
        digits = 16 if start + len(data) > 1 << 32 else 8
        assert line[digits:][: 2 + 23 + 2 + 23].split() == row.hex(" ").split()
    folded = set(range(start, start + len(data), 16)) - shown.keys()
    for at in folded:
        assert data[at - start : at - start + 16] == data[at - start - 16 : at - start]


def test_rows_that_repeat_are_folded_but_for_the_last() -> None:
    assert [str(line)[:8] for line in dump_lines(0, bytes(80))] == ["00000000", "*", "00000040"]
