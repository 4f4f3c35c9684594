"""--digest: the state of the stopped machine as JSON."""

from __future__ import annotations

import json
import os
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


def check_digest_path(path: str) -> None:
    """Before a long run: whether its digest can be written to `path`. Raises UserError."""
    if path == STDOUT or (os.path.exists(path) and not os.path.isdir(path) and not os.path.isfile(path)):
        return
    try:
        open(path, "ab").close()
    except (OSError, ValueError) as error:
        raise _cannot_write(path, error) from None


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
        raise _cannot_write(path, error) from None


def _cannot_write(path: str, error: OSError | ValueError) -> UserError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return UserError(f"cannot write the digest to {path}: {reason}")
