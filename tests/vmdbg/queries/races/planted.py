"""Linux on two CPUs with a module of samples/races that has a bug which two CPUs show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.guests.build import REPOSITORY
from tests.linux_assets import AssetsMissingError, build_module, busybox_initrd, cloud_kernel
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.start import GuestFiles, start
from vmdbg.machine.config import MachineConfig
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick
from vmdbg.x86.topology import Topology

SOURCES = REPOSITORY / "samples" / "races"
LATEST = Tick(10_000_000_000)
SLICE = 10_000_000
APPEND = "console=ttyS0"


def module(name: str) -> bytes:
    """The `.ko`."""
    header = (SOURCES / "tellers.h").read_text()
    return build_module(name, (SOURCES / f"{name}.c").read_text().replace('#include "tellers.h"\n', header))


def files(name: str) -> GuestFiles:
    """A guest that loads it. Skips the test where it cannot be had."""
    try:
        script = f"#!/bin/sh\necho loading\ninsmod /{name}.ko && echo loaded\n".encode()
        initrd = busybox_initrd({f"{name}.ko": module(name), "autorun": script})
        return GuestFiles(kernel=str(cloud_kernel()), initrd=str(initrd), append=APPEND)
    except AssetsMissingError as error:
        pytest.skip(str(error))


@contextmanager
def planted(name: str, schedule: str = "round-robin") -> Iterator[tuple[Session, bytearray]]:
    """Where the module has been loaded, and what the guest has printed."""
    started = start(files(name), MachineConfig(topology=Topology(cores=2), schedule=schedule))
    said = bytearray()
    started.machine.serial[0].listeners.append(lambda _port, data, _now: said.extend(data))
    debugger = Debugger(Timeline(started.machine, origin=started.origin))
    try:
        while b"\nloaded" not in said:
            assert debugger.position.tick < LATEST, bytes(said[-500:])
            debugger.timeline.run(Tick(debugger.position.tick + SLICE))
        yield Session(debugger, catalog.commands(), allowed=~Effect.NONE), said
    finally:
        debugger.close()
