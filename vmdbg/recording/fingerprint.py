"""Which build of vmdbg this is, as far as guests could tell: a hash of the sources that decide what they do."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import devices
from vmdbg import version

SOURCES = {
    "devices": ("**/*.py",),
    "vmdbg/boot": ("*.py",),
    "vmdbg/engine": ("*.py", "native/*.c", "native/*.h", "native/*.py", "unicorn/*.py"),
    "vmdbg/machine": ("*.py",),
    "vmdbg/timeline": ("state_digest.py",),
    "vmdbg/x86": ("cpu_models.py", "cpuid.py", "cpuid_features.py", "fields.py", "msr.py", "ram.py", "topology.py"),
}
"""By package, as it is installed."""
DIGITS = 12


@functools.cache
def build_fingerprint() -> str:
    """The first digits of a SHA-256 in hex, the same on every host. Builds that differ otherwise alone share it."""
    places = {name: Path(package.__file__ or "").parent for name, package in (("devices", devices), ("vmdbg", version))}
    whole = hashlib.sha256()
    for directory, patterns in SOURCES.items():
        top, _, rest = directory.partition("/")
        for path in sorted(path for pattern in patterns for path in (places[top] / rest).glob(pattern)):
            name = path.relative_to(places[top]).as_posix()
            whole.update(f"{top}/{name} {path.stat().st_size}\n".encode())
            whole.update(path.read_bytes())
    return whole.hexdigest()[:DIGITS]
