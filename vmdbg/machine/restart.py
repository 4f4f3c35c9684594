"""A reset of the whole machine: the CPU and the chips are as at power-on, memory and what is kept in it stay.

Source: Intel 82371AB data sheet, reset control (CPURST and PCIRST#); SDM 3A, table 10-1.
"""

from __future__ import annotations

from devices.board.flash import Flash
from devices.disk.cd_unit import CdUnit
from devices.disk.floppy_discs import FloppyDiscs
from devices.disk.floppy_unit import FloppyUnit
from devices.disk.unit import DiskUnit
from devices.network.net import cable_name, peer_name
from devices.scheduler import Scheduler
from devices.serial.debugcon import DebugConsole
from devices.serial.feed import SerialFeed
from devices.timers.rtc import Rtc
from vmdbg.boot import entry
from vmdbg.boot.bios import SIGNATURE
from vmdbg.machine.cpu_start import start_cpu
from vmdbg.machine.pc import Pc
from vmdbg.machine.processors import FittedCpus
from vmdbg.machine.state_json import decode_state, encode_state

LASTING = (Rtc, Flash, DiskUnit, CdUnit, FloppyUnit, FloppyDiscs, SerialFeed, DebugConsole)
"""Devices that no reset reaches: a battery holds them, or they are not of the machine."""


class ColdStart:
    """What a machine's parts are before anything has run. Made then."""

    def __init__(self, cpus: FittedCpus, pc: Pc, scheduler: Scheduler) -> None:
        self._cpus = cpus
        self._pc = pc
        self._scheduler = scheduler
        self._snapshot = cpus.engine.snapshot()
        outside = {share.name for share in pc.config.shares}  # what was written to them stays
        outside |= {end for net in pc.config.nets for end in (cable_name(net.name), peer_name(net.name))}
        self._states = {
            name: encode_state(device.save())
            for name, device in pc.devices.items()
            if not isinstance(device, LASTING) and name not in outside
        }

    def restart(self) -> None:
        """Become that, now: at the boundary at which the reset was asked for."""
        engine = self._cpus.engine
        clock, phase = engine.clock, self._cpus.phase.position.phase
        for event in self._scheduler.events():
            if event.owner in self._states or self._cpus.owns(event.owner):
                self._scheduler.cancel(event.owner, event.name)
        for name, state in self._states.items():
            device = self._pc.devices[name]
            device.restore(decode_state(state, device.State, name))
        engine.restore(self._snapshot)
        engine.advance_clock(clock)
        for pins in self._cpus.pins:
            pins.intr.restore(False, False)
            pins.nmi.restore(False)
        self._cpus.power_on()
        start_cpu(engine, entry.reset_vector({"rdx": SIGNATURE}))
        self._cpus.restored(phase)
