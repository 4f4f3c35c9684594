"""What Linux has other CPUs forget of an address space that they run too."""

from __future__ import annotations

import json

import pytest

from tests.guests.build import GUESTS, build_program
from tests.linux_assets import AssetsMissingError, busybox_initrd, cloud_kernel
from vmdbg.commands import catalog
from vmdbg.debugger.debugger import Debugger
from vmdbg.host.start import GuestFiles, start
from vmdbg.machine.config import MachineConfig
from vmdbg.session.registry import Effect
from vmdbg.session.session import Session
from vmdbg.timeline.timeline import Timeline
from vmdbg.units import Tick
from vmdbg.x86.topology import Topology

ROUNDS = 20
RANGE = "flush_tlb_func(0x10001000-0x10004000)"
LATEST = Tick(10_000_000_000)
SLICE = 10_000_000


def files() -> GuestFiles:
    program = build_program((GUESTS / "tlb_flush.c").read_text(), ["-no-pie", "-static", "-pthread"])
    try:
        initrd = busybox_initrd({"flush": program.read_bytes(), "autorun": b"#!/bin/sh\n/flush\n"})
        return GuestFiles(kernel=str(cloud_kernel()), initrd=str(initrd), append="console=ttyS0")
    except AssetsMissingError as error:
        pytest.skip(str(error))


def test_a_flush_of_some_pages_is_listed_with_their_addresses() -> None:
    started = start(files(), MachineConfig(topology=Topology(cores=2)))
    said = bytearray()
    started.machine.serial[0].listeners.append(lambda _port, data, _now: said.extend(data))
    debugger = Debugger(Timeline(started.machine, origin=started.origin))
    try:
        while b"\nflushed" not in said:
            assert debugger.position.tick < LATEST, bytes(said[-500:])
            debugger.timeline.run(Tick(debugger.position.tick + SLICE))
        session = Session(debugger, catalog.commands(), allowed=~Effect.NONE)
        rows = json.loads(session.execute("query ipis --json"))
        flushes = [row for row in rows if row["runs"] == RANGE]
        assert len(flushes) >= ROUNDS
        assert {(row["cpu"], row["to"]) for row in flushes} == {(0, 1)}
        ran = json.loads(session.execute("query executions flush_tlb_func --json"))
        for row in flushes:
            taken = int(row["accepted"].partition("+")[0])
            assert any(taken < int(one["position"]) < taken + 100_000 and one["cpu"] == 1 for one in ran)
    finally:
        debugger.close()
