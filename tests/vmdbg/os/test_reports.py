"""Every road to a report of the kernel, taken for real: caught once, where it begins, with the right word."""

from __future__ import annotations

import re
from itertools import zip_longest

import pytest

from tests.linux_assets import busybox_initrd
from tests.vmdbg.gdb.guests import guest
from tests.vmdbg.os.conftest import fetch_or_skip
from tests.vmdbg.os.provocations import ACTIONS, provocation
from vmdbg.commands import catalog
from vmdbg.debugger.actions import Continue
from vmdbg.document.plain import render_plain
from vmdbg.os.linux.oops import printed_kind
from vmdbg.os.linux.report_kind import ReportKind
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.units import Tick

pytestmark = pytest.mark.timeout(600)

EXPECTED = {
    "warning": (r"warning: .*provoked\.c:42, in insmod",),
    "atomic": (
        r"bug: scheduling while atomic: insmod/\d+/0x[0-9a-f]+, in insmod",
        r"warning: .*init/main\.c:\d+, in insmod",
    ),
    "hang": (r"hung task: task insmod:(\d+) blocked for more than \d+ seconds?\., in insmod \(\1\)",),
    "soft_lockup": (r"soft lockup: soft lockup - CPU#0 stuck for \d+s! \[insmod:(\d+)\], in insmod \(\1\)",),
    "rcu_stall": (r"RCU stall: rcu_(?:preempt|sched) (?:self-)?detected stalls? on CPU.*, in insmod",),
    "freed": (r"memory error: KFENCE: use-after-free read in provoke\+0x[0-9a-f]+ \[freed\], in insmod",),
    "wild_pointer": (r"oops: general protection fault.* at provoke\+0x[0-9a-f]+ \[wild_pointer\], in insmod",),
    "null_pointer": (r"oops: page fault at provoke\+0x[0-9a-f]+ \[null_pointer\], in insmod",),
    "bug": (r"oops: BUG at provoked\.c:42 at provoke\+0x[0-9a-f]+ \[bug\], in insmod",),
    "divide": (r"oops: divide error at provoke\+0x[0-9a-f]+ \[divide\], in insmod",),
    "deep_stack": (
        r"oops: (?:stack guard page|kernel stack overflow \(double-fault\)) at deep(?:\+0x[0-9a-f]+)? \[deep_stack\]",
        r"panic: Fatal exception in interrupt, in insmod",
    ),
}
"""The first lines, in order: after an exception, kernels look for hung tasks no longer."""
MISSING = {
    "freed": ("5.10-cloud", "6.1-cloud", "6.1-generic"),
    "atomic": ("5.10-cloud",),
    "deep_stack": ("6.12-cloud",),
}
"""Kernels without KFENCE, without a count of what forbids preemption, and one whose loader has lists on lost stacks."""
QUICK = ("6.1-cloud",)
SLOW = ("5.10-cloud", "6.1-generic", "6.12-cloud", "newest-cloud")
BEFORE = {
    "hang": "echo 1 > /proc/sys/kernel/hung_task_timeout_secs",
    "soft_lockup": "echo 0 > /proc/sys/kernel/hung_task_timeout_secs; echo 1 > /proc/sys/kernel/watchdog_thresh",
    "rcu_stall": (
        "echo 60 > /proc/sys/kernel/watchdog_thresh; echo 3 > /sys/module/rcupdate/parameters/rcu_cpu_stall_timeout"
    ),
}
AFTER = {"hang": "sleep 4"}
LATEST = Tick(60_000_000_000)
APPEND = "console=ttyS0 kfence.sample_interval=1"


@pytest.mark.parametrize("label", [*QUICK, *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def test_every_report_is_caught_once(label: str) -> None:
    kernel = fetch_or_skip(label)
    names = [name for name in EXPECTED if label not in MISSING.get(name, ())]
    files = {f"m/{name}.ko": provocation(kernel, name) for name in names}
    lines = ["#!/bin/sh"]
    for name in names:
        lines += [BEFORE.get(name, ":"), f"insmod /m/{name}.ko{' &' if name == 'hang' else ''}", AFTER.get(name, ":")]
    lines.append("echo c > /proc/sysrq-trigger")
    initrd = busybox_initrd(files | {"autorun": "\n".join([*lines, ""]).encode()})
    with guest(kernel.image.read_bytes(), memory=256 << 20, append=APPEND, initrd=initrd.read_bytes()) as made:
        session = Session(made.debugger, catalog.commands(), allowed=Effect.RUNS)
        assert "as soon as a Linux kernel is known" in session.execute("catch oops")
        caught = _caught(session)
    expected = [f"kernel {line}" for name in names for line in EXPECTED[name]]
    expected += [] if "deep_stack" in names else ["kernel panic: sysrq triggered crash, in autorun"]
    shown = "\n".join(caught)
    for line, pattern in zip_longest(caught, expected):
        assert line is not None, f"not caught: {pattern} in\n{shown}"
        assert pattern is not None, f"too much: {line} in\n{shown}"
        assert re.match(pattern, line), f"{line} is not {pattern} in\n{shown}"


def _caught(session: Session) -> list[str]:
    """First lines of stops up to the panic; a task that goes on hanging is reported again by the kernel."""
    caught: list[str] = []
    while not caught or not caught[-1].startswith("kernel panic"):
        line = render_plain(session.execution.act(Continue(limit=LATEST))).splitlines()[0]
        assert line.startswith("kernel "), "\n".join([*caught, line])
        assert not session.execute("oops").startswith("error"), session.execute("oops")
        if not ("hung task" in line and any("hung task" in earlier for earlier in caught)):
            caught.append(line)
    return caught


def test_all_provocations_are_expected_to_be_caught() -> None:
    assert set(ACTIONS) == set(EXPECTED)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (b"\x010watchdog: BUG: soft lockup - CPU#%d stuck for %us! [%s:%d]\n", ReportKind.SOFT_LOCKUP),
        (b"\x010NMI watchdog: Watchdog detected hard LOCKUP on cpu %d\n", ReportKind.HARD_LOCKUP),
        (b"\x010watchdog: CPU%u: Watchdog detected hard LOCKUP on cpu %u\n", ReportKind.HARD_LOCKUP),
        (b"\x013INFO: task %s:%d blocked in I/O wait for more than %ld seconds.\n", ReportKind.HUNG_TASK),
        (b"\x013INFO: task %s:%d blocked%s for more than %ld seconds.\n", ReportKind.HUNG_TASK),
        (b"\x013INFO: task %s:%d %s for more than %ld seconds.\n", ReportKind.HUNG_TASK),
        (b"\x013rcu: INFO: %s self-detected stall on CPU\n", ReportKind.RCU_STALL),
        (b"\x013rcu: INFO: %s detected expedited stalls on CPUs/tasks: {", ReportKind.RCU_STALL),
        (b"\x013BUG: KASAN: %s in %pS\n", ReportKind.MEMORY_ERROR),
        (b"\x013BUG: KFENCE: memory corruption in %pS\n\n", ReportKind.MEMORY_ERROR),
        (b"\x013UBSAN: %s in %s:%d:%d\n", ReportKind.MEMORY_ERROR),
        (b"\x013BUG %s (%s): %s\n", ReportKind.MEMORY_ERROR),
        (b"\x011BUG: Bad page state in process %s  pfn:%05lx\n", ReportKind.BUG),
        (b"\x013BUG: sleeping function called from invalid context at %s:%d\n", ReportKind.BUG),
        (b"\x014WARNING: possible circular locking dependency detected\n", ReportKind.BUG),
        (b"\x014WARNING: CPU: %d PID: %d at %s:%d %pS\n", None),
        (b"\x011BUG: kernel NULL pointer dereference, address: %px\n", None),
        (b"\x011BUG: unable to handle page fault for address: %px\n", None),
        (b"\x010BUG: %s stack guard page was hit at %p (stack is %p..%p)\n", None),
        (b"\x012kernel BUG at %s:%u!\n", None),
        (b"\x013INFO: task %s:%d is blocked on a mutex likely owned by task %s:%d.\n", None),
        (b"\x016usb %s: new device found\n", None),
        (b"", None),
    ],
)
def test_formats_that_begin_a_report(text: bytes, kind: ReportKind | None) -> None:
    """Those of exceptions, panics and warnings are reported before they are printed."""
    assert printed_kind(text) is kind
