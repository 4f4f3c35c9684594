"""--digest: the state of the stopped machine as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from vmdbg.errors import UserError
from vmdbg.machine.digest import digest
from vmdbg.machine.machine import Machine

STDOUT = "-"


def digest_json(machine: Machine) -> str:
    """`ticks` and `rip` as numbers, the hashes in hexadecimal."""
    found = digest(machine)
    fields = {"ticks": found.ticks, "rip": found.rip, "cpu": found.cpu, "ram": found.ram, "devices": found.devices}
    return json.dumps(fields)


def write_digest(machine: Machine, path: str) -> None:
    """Write the digest to `path`, or to stdout for `-`. Raises UserError."""
    text = digest_json(machine) + "\n"
    if path == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(path).write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UserError(f"cannot write the digest to {path}: {reason}") from None
