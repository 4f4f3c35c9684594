"""What a command loads before it does its work: no more than it needs, for everybody waits for that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.vmdbg.cli.vmdbg_process import TIMEOUT, environment

LISTING = """
import sys
from vmdbg.cli.main import main
try:
    main({words!r})
finally:
    print("", *sys.modules)
"""
OWN = ("vmdbg", "devices", "gdbstub", "dapstub")
MOST_OF_A_RUN = 220
MOST_WITHOUT_A_MACHINE = 14
"""Modules of ours: as few as were reached, so that they can only become fewer."""
NOT_FOR_A_PLAIN_MACHINE = (
    "PIL", "aiohttp", "capstone", "elftools", "hashlib", "lz4", "msgspec", "prompt_toolkit", "pygments", "rich",
    "tempfile", "zstandard", "dapstub", "gdbstub", "devices.board.dma_transfers", "devices.board.flash",
    "devices.board.fw_cfg", "devices.board.test_device", "devices.disk.buses", "devices.disk.cd_unit",
    "devices.disk.fdc", "devices.disk.floppy_unit", "devices.disk.ide", "devices.disk.unit", "devices.display",
    "devices.keyboard.i8042_aux", "devices.keyboard.mouse", "devices.network.cable", "devices.network.inputs",
    "devices.network.models", "devices.network.packet_filter", "devices.ninep.folder", "devices.ninep.unit",
    "devices.pci.bars", "devices.pci.function", "devices.pci.piix3", "devices.timers.hpet", "devices.virtio",
    "vmdbg.boot.decompress", "vmdbg.boot.firmware_config", "vmdbg.boot.flat", "vmdbg.boot.linux",
    "vmdbg.boot.multiboot2", "vmdbg.boot.pvh", "vmdbg.cli.front_ends", "vmdbg.commands", "vmdbg.cores", "vmdbg.dap",
    "vmdbg.debugger", "vmdbg.document.document", "vmdbg.dwarf", "vmdbg.expressions", "vmdbg.gdb.server",
    "vmdbg.host.drives", "vmdbg.host.nets", "vmdbg.host.network", "vmdbg.host.serial_clients", "vmdbg.host.shares",
    "vmdbg.images", "vmdbg.lab", "vmdbg.machine.drives", "vmdbg.machine.i440fx", "vmdbg.machine.nets",
    "vmdbg.machine.saving", "vmdbg.machine.schedule_pct", "vmdbg.machine.shares", "vmdbg.os", "vmdbg.queries",
    "vmdbg.recording", "vmdbg.repl.prompt", "vmdbg.shares", "vmdbg.symbols", "vmdbg.timeline.timeline", "vmdbg.web",
)  # fmt: skip
MOST_OF_THE_API = 321
NOT_FOR_THE_API = (
    "capstone", "elftools", "msgspec", "tempfile", "devices.network.packet_filter", "vmdbg.api.lab",
    "vmdbg.commands.code", "vmdbg.cores", "vmdbg.dwarf.debug_file", "vmdbg.dwarf.frame", "vmdbg.dwarf.program",
    "vmdbg.engine.native", "vmdbg.engine.unicorn", "vmdbg.images", "vmdbg.lab", "vmdbg.os.linux.operating_system",
    "vmdbg.queries", "vmdbg.recording", "vmdbg.session.habits", "vmdbg.session.screenshot", "vmdbg.symbols.elf",
    "vmdbg.timeline.marks", "vmdbg.web",
)  # fmt: skip
SCRIPT = """
import sys
from vmdbg.api import launch
with launch(bytes.fromhex("90ebfd"), memory="1M", mode="real") as guest:
    guest.run(ticks=1000)
    {more}
    print(*sys.modules)
"""
"""Its guest: nop; jmp back to it."""
NOT_FOR_A_SCRIPT = ("capstone", "elftools", "vmdbg.commands.code", "vmdbg.dwarf.frame", "vmdbg.recording")
OF_ADDITIONS = {
    "--vga std": "devices.display.vga",
    "--device virtio-rng": "devices.virtio.entropy",
    "--virtio-console none": "devices.virtio.console",
    "--mouse": "devices.keyboard.mouse",
    "--net quiet": "devices.network.quiet.responder",
    "--schedule pct:1 --cpus 2": "vmdbg.machine.schedule_pct",
    "--digest /dev/null": "vmdbg.machine.digest",
    "--repl": "vmdbg.commands",
}


def loaded(*words: str) -> list[str]:
    """All modules that are there once the command is done."""
    done = subprocess.run(
        [sys.executable, "-c", LISTING.format(words=words)],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT, env=environment(), check=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1].split()


def own(modules: list[str]) -> list[str]:
    return [module for module in modules if module.partition(".")[0] in OWN]


def of(modules: list[str], names: tuple[str, ...]) -> list[str]:
    """Those that are one of these, or in it."""
    return [m for m in modules if any(m == one or m.startswith(f"{one}.") for one in names)]


def test_a_plain_run_loads_no_more_than_its_machine_needs() -> None:
    modules = loaded("run", "--stop-at", "1")
    assert not of(modules, NOT_FOR_A_PLAIN_MACHINE)
    assert len(own(modules)) <= MOST_OF_A_RUN, sorted(own(modules))


def loaded_by(script: str) -> list[str]:
    """All modules that the script names in its last line."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=TIMEOUT, env=environment(), check=True
    )
    return done.stdout.splitlines()[-1].split()


def test_the_api_loads_no_more_than_its_names_need() -> None:
    modules = loaded_by("import sys, vmdbg.api; print(*sys.modules)")
    assert not of(modules, NOT_FOR_THE_API)
    assert len(own(modules)) <= MOST_OF_THE_API, len(own(modules))


def test_a_script_without_commands_loads_none_and_reads_no_debug_information_that_its_guest_has_not() -> None:
    assert not of(loaded_by(SCRIPT.format(more="")), NOT_FOR_A_SCRIPT)


def test_a_script_gets_commands_with_its_first_one() -> None:
    assert of(loaded_by(SCRIPT.format(more="guest.execute('bt')")), ("vmdbg.commands.code",))


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_a_command_line_without_a_machine_loads_none(option: str) -> None:
    modules = loaded(option)
    assert len(own(modules)) <= MOST_WITHOUT_A_MACHINE, own(modules)


@pytest.mark.parametrize("option", OF_ADDITIONS)
def test_what_is_asked_for_is_loaded(option: str) -> None:
    assert OF_ADDITIONS[option] in loaded("run", "--stop-at", "1", *option.split())
