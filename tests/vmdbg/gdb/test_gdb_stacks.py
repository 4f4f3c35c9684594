"""gdb with the helper: stacks of code that it knows nothing of are vmdbg's."""

from __future__ import annotations

import re

import pytest

from tests.guests.build import assemble, sample_kernel
from tests.vmdbg.gdb.guests import gdb, guest, sample_guest
from tests.vmdbg.session.test_unwinding import FRAMES_OF_16_BITS

MARK = "echo ======\\n"
HELPER = 'python exec(gdb.execute("monitor gdb-helper", to_string=True))'


def rows(shown: str) -> list[tuple[int, str]]:
    """pc and function of the frames of gdb's `bt`."""
    found = re.findall(r"^#\d+ +0x([0-9a-f]+) in (\S+) \(\)", shown, flags=re.MULTILINE)
    return [(int(pc, 16), name) for pc, name in found]


def monitors(shown: str) -> list[tuple[int, str]]:
    found = re.findall(r"^\d+ +0x([0-9a-f]+)(?:    )? *([^\s+(]*)", shown, flags=re.MULTILINE)
    return [(int(pc, 16), name or "??") for pc, name in found]


def parts(shown: str) -> list[str]:
    return shown.split("======\n")[1:]


def test_real_mode_has_the_frames_that_there_are(gdb_client: list[str]) -> None:
    with guest(assemble(FRAMES_OF_16_BITS)) as made:
        commands = (HELPER, "continue", MARK, "bt", MARK, "up", "info registers rip rsp rbp")
        output = gdb(gdb_client, made.debugger, *commands)
    stack, above = parts(output)
    inner, outer, start = rows(stack)
    assert [pc - start[0] for pc in (outer[0], inner[0])] == [9, 14]
    assert f"rip            {outer[0]:#x}" in above
    assert re.search(r"rsp +0xff6 ", above)
    assert re.search(r"rbp +0xffc ", above)


@pytest.mark.parametrize("place", ["deposit", "account_open"])
def test_a_kernel_without_symbols_in_gdb_has_the_stack_of_monitor_bt(gdb_client: list[str], place: str) -> None:
    first = (HELPER, f"monitor tbreak {place}", "continue", MARK, "monitor bt", MARK, "bt")
    with sample_guest() as made:
        output = gdb(gdb_client, made.debugger, *first, "nexti 8", MARK, "bt", "up", "finish", MARK, "bt")
    theirs, ours, stepped, finished = parts(output)
    expected = monitors(theirs)
    assert len(expected) > 2
    assert rows(ours) == expected
    assert rows(stepped)[1 : len(expected)] == expected[1:], "whatever is called meanwhile is stepped over"
    assert rows(finished) == expected[2:]


def test_code_that_gdb_has_symbols_of_is_left_to_it(gdb_client: list[str]) -> None:
    with sample_guest() as made:
        output = gdb(gdb_client, made.debugger, HELPER, "break deposit", "continue", "bt", file=sample_kernel())
    assert "#1  0x" in output
    assert "bank.c:" in output
    assert "teller_main (argument=" in output
