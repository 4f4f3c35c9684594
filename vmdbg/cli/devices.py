"""`vmdbg devices`: the chips of the PC and where they answer."""

from __future__ import annotations

import argparse
import inspect
import re

from devices.wiring.bus import Claim
from vmdbg.cli.start import make_machine
from vmdbg.host.endings import ExitCode
from vmdbg.machine.config import MINIMUM_MEMORY, MachineConfig
from vmdbg.machine.machine import Machine


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("devices", help="list the devices of the machine", allow_abbrev=False)
    parser.add_argument("--no-apic", action="store_true", help="of a machine without local APIC and I/O APIC")
    parser.set_defaults(command=list_devices)


def list_devices(options: argparse.Namespace) -> int:
    machine = make_machine(MachineConfig(memory=MINIMUM_MEMORY, apic=not options.no_apic))
    try:
        for name, places, what in device_table(machine):
            print(f"{name:<18} {places:<36} {what}")
    finally:
        machine.close()
    return ExitCode.DONE


def device_table(machine: Machine) -> list[tuple[str, str, str]]:
    """Name, ports and addresses, and description of each device that the guest can reach, in order of address."""
    rows: dict[str, tuple[list[str], str]] = {}
    for claims, digits in ((machine.pc.ports.claims(), 4), (machine.pc.memory.claims(), 8)):
        for claim in claims:
            places, _ = rows.setdefault(claim.name, ([], _description(claim)))
            places.append(_place(claim, digits))
    return [(name, ", ".join(places), what) for name, (places, what) in rows.items()]


def _place(claim: Claim, digits: int) -> str:
    first, last = claim.addresses[0], claim.addresses[-1]
    return f"{first:0{digits}x}" if first == last else f"{first:0{digits}x}-{last:0{digits}x}"


def _description(claim: Claim) -> str:
    """The first sentence of what the device's module says about itself."""
    module = inspect.getmodule(type(claim.device))
    text = inspect.getdoc(module) or "" if module is not None else ""
    first = re.split(r"(?<=\.)\s", " ".join(text.split()), maxsplit=1)[0]
    return first.rstrip(".")
