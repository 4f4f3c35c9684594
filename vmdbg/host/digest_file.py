"""--digest: the state of the stopped machine as JSON."""

from __future__ import annotations

import json

from vmdbg.host.output_file import check_path, write_text
from vmdbg.machine.digest import digest
from vmdbg.machine.machine import Machine

WHAT = "the digest"


def digest_json(machine: Machine) -> str:
    """`ticks` and `rip` as numbers, the hashes in hexadecimal."""
    found = digest(machine)
    fields = {"ticks": found.ticks, "rip": found.rip, "cpu": found.cpu, "ram": found.ram, "devices": found.devices}
    return json.dumps(fields)


def check_digest_path(path: str) -> None:
    """Before a long run: whether its digest can be written to `path`. Raises UserError."""
    check_path(path, WHAT)


def write_digest(machine: Machine, path: str) -> None:
    """Write the digest to `path`, or to stdout for `-`. Raises UserError."""
    write_text(digest_json(machine) + "\n", path, WHAT)
