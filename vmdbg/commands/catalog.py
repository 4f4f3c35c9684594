"""The list of command modules. Importing one puts its commands into the registry."""

from __future__ import annotations

import importlib

MODULES = (
    "help", "registers", "flags", "gdt", "idt", "tss", "ivt", "pagewalk", "maps", "phys", "translate", "devices",
    "io", "irq", "tick", "digest", "catch", "step_mode", "step", "next", "cont", "finish", "until", "skip",
    "breakpoints", "watch", "logpoint", "examine", "disassemble", "bt", "frame", "print_value", "hexdump", "telescope",
    "when", "goto", "bookmark", "where_was", "last_write", "query", "history", "diff", "fork", "set_value", "search",
    "msr", "screen", "symbol", "context", "linux", "linux_oops", "linux_programs", "linux_types", "linux_trace",
    "scripting", "send", "save",
)  # fmt: skip


def load() -> None:
    """Import them all; cheap the second time."""
    for name in MODULES:
        importlib.import_module(f"vmdbg.commands.{name}")
