"""The kernel about itself: version, command line, uptime, taint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmdbg.os.linux.walks import guarded

if TYPE_CHECKING:
    from vmdbg.os.linux.kernel import Kernel

MAX_TEXT = 4096
# Documentation/admin-guide/tainted-kernels.rst; the letter of bit 0 when it is clear is G.
TAINT_LETTERS = "PFSRMBUDAWCIOELKXTNJ"
TAINT_REASONS = (
    "proprietary module was loaded",
    "module was force loaded",
    "processor or system is out of its specification",
    "module was force unloaded",
    "processor reported a machine check exception",
    "bad page referenced or some unexpected page flags",
    "taint requested by user space",
    "kernel died recently, there was an oops or BUG",
    "ACPI table overridden by user",
    "kernel issued warning",
    "staging driver was loaded",
    "workaround for bug in platform firmware applied",
    "externally-built module was loaded",
    "unsigned module was loaded",
    "soft lockup occurred",
    "kernel has been live patched",
    "auxiliary taint, defined by the distribution",
    "kernel was built with the struct randomization plugin",
    "an in-kernel test has been run",
    "user space used a mutating debug operation in fwctl",
)


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """`uptime` in nanoseconds as of the last timer tick; `tainted` is the kernel's bit mask."""

    release: str
    banner: str
    host_name: str
    command_line: str
    uptime: int
    tainted: int
    base: int

    @property
    def taint_letters(self) -> str:
        return "".join(letter for bit, letter in enumerate(TAINT_LETTERS) if self.tainted >> bit & 1)

    @property
    def taint_reasons(self) -> tuple[str, ...]:
        return tuple(reason for bit, reason in enumerate(TAINT_REASONS) if self.tainted >> bit & 1)


@guarded("system information")
def system_info(kernel: Kernel) -> SystemInfo:
    names = kernel.object("struct uts_namespace", "init_uts_ns").name
    return SystemInfo(
        names.release.string_(),
        kernel.string(kernel.symbol("linux_banner"), MAX_TEXT).rstrip("\n"),
        names.nodename.string_(),
        _command_line(kernel),
        uptime(kernel),
        kernel.memory.u64(kernel.symbol("tainted_mask")),
        kernel.symbol("_text"),
    )


def _command_line(kernel: Kernel) -> str:
    """Empty before the kernel has read it."""
    address = kernel.memory.u64(kernel.symbol("saved_command_line"))
    return kernel.string(address, MAX_TEXT).rstrip("\n") if address else ""


def uptime(kernel: Kernel) -> int:
    """Nanoseconds since boot at the last update of the time keeper (kernel/time/timekeeping.c)."""
    if kernel.has_symbol("tk_core"):
        where = kernel.symbol("tk_core")
        inner = kernel.type("struct tk_data").offset_of("timekeeper") if kernel.types.has("struct tk_data") else 8
    else:
        where = kernel.symbol("timekeeper_data")
        inner = kernel.type("struct tk_data").offset_of("timekeeper")
    keeper = kernel.object("struct timekeeper", where + inner)
    clock = keeper.tkr_mono
    return int(clock.base) + (int(clock.xtime_nsec) >> int(clock.shift)) + int(keeper.offs_boot)
