"""`vmdbg devices`: the prompt's command, on a machine without a guest."""

from __future__ import annotations

import argparse
from dataclasses import replace

from vmdbg.host.exit_code import ExitCode
from vmdbg.machine.chipset import AUTOMATIC, with_chipset
from vmdbg.machine.config import MINIMUM_MEMORY, Chipset, Display, MachineConfig


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser], line: str) -> None:
    parser = commands.add_parser("devices", help=line, allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="DEVICE", help="show the registers of these; `all` for every one")
    parser.add_argument("--no-apic", action="store_true", help="of a machine without local APIC and I/O APIC")
    parser.add_argument("--device", action="append", default=[], metavar="KIND", help="of a machine with this added")
    parser.add_argument("--machine", choices=[AUTOMATIC, *Chipset], default=AUTOMATIC, help="of this chipset")
    parser.add_argument("--vga", choices=list(Display), default=Display.TEXT, help="of a machine with this display")
    parser.add_argument("--addable", action="store_true", help="list the devices that --device can add")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(command=list_devices)


def list_devices(options: argparse.Namespace) -> int:
    """Raises UserError. Imports here what the other commands need not wait for."""
    from vmdbg.commands import catalog
    from vmdbg.debugger.debugger import Debugger
    from vmdbg.document.plain import render_json, render_plain
    from vmdbg.host.start import make_machine, option_rom
    from vmdbg.session.registry import Effect
    from vmdbg.session.session import Session
    from vmdbg.timeline.timeline import Timeline

    display, devices = Display(options.vga), tuple(options.device)
    config = MachineConfig(memory=MINIMUM_MEMORY, apic=not options.no_apic, devices=devices, display=display)
    config = replace(config, option_rom=option_rom(display))
    machine = make_machine(with_chipset(config, options.machine))
    try:
        session = Session(Debugger(Timeline(machine)), catalog.commands(), allowed=Effect.NONE)
        answer = session.run(" ".join(["devices", *options.names, *(["--addable"] if options.addable else [])]))
        print(render_json(answer) if options.json else render_plain(answer), end="")
    finally:
        machine.close()
    return ExitCode.DONE
