"""`call f()` in gdb: the function returns to a breakpoint on the stack, which with NX cannot be fetched from."""

from __future__ import annotations

import re

import pytest

from tests.guests.build import sample_kernel
from tests.guests.kernel32 import kernel32
from tests.vmdbg.gdb.guests import gdb, guest, lldb, sample_guest

IN_THE_PAST = "this is the past, which cannot be changed: `monitor fork` starts a new timeline here"


@pytest.mark.cell("a function called by hand")
def test_function_is_called_and_everything_put_back(gdb_client: list[str]) -> None:
    with sample_guest() as it:
        output = gdb(
            gdb_client,
            it.debugger,
            "break account_open",
            "continue",
            "info registers rip rsp rdi rflags",
            "print text_length(name)",
            "print *account_open(name, 55)",
            "info registers rip rsp rdi rflags",
            "backtrace 1",
            "finish",
            file=sample_kernel(),
        )
    assert "$1 = 6" in output
    assert 'name = "shared' in output
    assert "balance = 55" in output
    assert "Could not write" not in output
    shown = re.findall(r"^r(?:ip|sp|di) .*$", output, re.MULTILINE)
    assert shown[:3] == shown[3:]
    assert "Value returned is $3" in output


@pytest.mark.cell("a function called in a condition")
def test_function_is_called_in_a_condition(gdb_client: list[str]) -> None:
    with sample_guest() as it:
        output = gdb(
            gdb_client,
            it.debugger,
            "break account_open if text_length(name) == 7",
            "continue",
            "print name",
            file=sample_kernel(),
        )
    assert '"savings"' in output


@pytest.mark.cell("a function called by hand")
def test_call_in_the_past_is_refused_in_words_and_fork_allows_it(gdb_client: list[str]) -> None:
    with sample_guest() as it:
        output = gdb(
            gdb_client,
            it.debugger,
            "break account_open",
            "continue",
            "stepi",
            "reverse-stepi",
            "print text_length(name)",
            "set $rax = 1",
            "set var *(long *) $sp = 1",
            "monitor fork",
            "print text_length(name)",
            file=sample_kernel(),
        )
    assert re.search(r"Could not write register \"rax\"; remote failure reply '(E\.)?" + re.escape(IN_THE_PAST), output)
    assert f"refused: {IN_THE_PAST}" in output
    assert "$1 = 6" in output


@pytest.mark.cell("32-bit kernels")
@pytest.mark.parametrize("nx", [False, True], ids=["without paging", "PAE and NX"])
def test_function_of_a_32_bit_kernel_is_called_with_default_options(gdb_client: list[str], nx: bool) -> None:
    kernel = kernel32(nx=nx)
    with guest(kernel.read_bytes()) as it:
        output = gdb(
            gdb_client,
            it.debugger,
            "break add if length((char *) &a) < 2",
            "continue",
            "backtrace",
            "print add(5, 6)",
            "print total",
            "print $cr4",
            "next",
            file=kernel,
        )
    assert "rejected" not in output
    assert "#1  0x" in output
    assert "in kernel_main ()" in output
    assert "$1 = 11" in output
    assert "$2 = 11" in output
    assert ("PAE" in output) is nx
    assert "Could not" not in output


LOAD = (
    "script r = lldb.SBCommandReturnObject(); "
    'lldb.debugger.GetCommandInterpreter().HandleCommand("process plugin packet monitor lldb-helper", r); '
    'exec(bytes.fromhex(r.GetOutput().split("response: ")[1]).decode())'
)


@pytest.mark.cell("a function called by hand", says="`guest-call`")
def test_lldb_calls_a_function_with_the_helper(lldb_client: list[str]) -> None:
    with sample_guest() as it:
        output = lldb(
            lldb_client,
            it.debugger,
            "breakpoint set -n account_open",
            "continue",
            "breakpoint disable",
            LOAD,
            "register read rip rsp rdi",
            "guest-call text_length(name)",
            "guest-call account_open(name, (long) (2 + 3) * 11)",
            "register read rip rsp rdi",
            "bt",
            file=sample_kernel(),
        )
    assert "0x6 (6)" in output
    shown = re.findall(r"^ +r(?:ip|sp|di) = .*$", output, re.MULTILINE)
    assert shown[:3] == shown[3:6]
    assert "demo_run" in output


def test_lldb_calls_a_function_of_a_32_bit_kernel(lldb_client: list[str]) -> None:
    kernel = kernel32(nx=True)
    with guest(kernel.read_bytes()) as it:
        commands = ("breakpoint set -n add", "continue", "breakpoint disable", LOAD, "guest-call add(5, 6)", "bt")
        output = lldb(lldb_client, it.debugger, *commands, "expression total", file=kernel)
    assert "0xb (11)" in output
    assert "kernel_main" in output.partition("0xb (11)")[2]
    assert re.search(r"\(volatile int\) \$\d = 11", output)
    assert "has nowhere" not in output


def test_lldb_says_why_a_call_in_the_past_is_refused(lldb_client: list[str]) -> None:
    with sample_guest() as it:
        output = lldb(
            lldb_client,
            it.debugger,
            "breakpoint set -n account_open",
            "continue",
            "thread step-inst",
            "process continue --reverse",
            LOAD,
            "guest-call text_length(name)",
            file=sample_kernel(),
        )
    assert IN_THE_PAST in output


def test_gdbs_checkpoints_are_bookmarks_with_the_helper(gdb_client: list[str]) -> None:
    with sample_guest() as it:
        output = gdb(
            gdb_client,
            it.debugger,
            'python exec(gdb.execute("monitor gdb-helper", to_string=True))',
            "break account_open",
            "continue",
            "checkpoint",
            "continue",
            "checkpoint",
            "info checkpoints",
            "restart 1",
            "print name",
            "restart 2",
            "print name",
            "gcore",
            file=sample_kernel(),
        )
    assert "Checkpoint 2: " in output
    assert "checkpoint1" in output
    assert "$1 = 0x" in output
    assert '"shared"\n' in output.partition("$1")[2]
    assert '"savings"\n' in output.partition("$2")[2]
    assert "dump core cannot be used here: it writes a file of the host" in output
