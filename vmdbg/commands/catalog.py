"""The list of command modules. Importing one puts its commands into the registry."""

from __future__ import annotations

import importlib

from vmdbg.commands.declare import REGISTRY
from vmdbg.session.registry import Registry
from vmdbg.session.session import Session

MODULES = (
    "help", "data.registers", "cpu.cpus", "cpu.schedule", "cpu.flags", "cpu.gdt", "cpu.idt", "cpu.tss", "cpu.ivt",
    "cpu.pagewalk", "cpu.maps", "data.phys", "data.dump", "cpu.translate", "devices.devices", "devices.pci",
    "devices.io", "devices.irq", "time.tick", "time.digest", "points.catch", "run.step_mode", "run.step",
    "run.next", "run.cont", "run.finish", "run.until", "run.rings", "run.next_kind", "run.skip",
    "points.breakpoints", "points.watch", "points.logpoint", "data.examine", "code.disassemble", "code.bt",
    "code.frame", "code.variables", "data.print_value", "data.hexdump", "data.telescope", "time.when", "time.goto",
    "time.bookmark", "time.where_was", "time.last_write", "time.query", "time.history", "time.diff", "time.fork",
    "data.set_value", "data.search", "cpu.msr", "devices.screen", "code.symbol", "code.context", "system.tasks",
    "linux.processes", "linux.processors", "linux.locks", "linux.oops", "linux.programs", "linux.types",
    "linux.trace", "linux.slab", "scripting", "devices.send", "devices.share", "devices.input", "devices.disk",
    "devices.disc", "devices.keyboard", "devices.mouse", "time.save", "time.interleaving",
)  # fmt: skip


def commands() -> Registry[Session]:
    """A session's own copy of the registry with all of them; cheap the second time."""
    modules = [f"vmdbg.commands.{name}" for name in MODULES]
    for module in modules:
        importlib.import_module(module)
    return REGISTRY.copy(modules)
