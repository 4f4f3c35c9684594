"""A machine's parts put into a MachineState and taken out of one."""

from __future__ import annotations

from devices.scheduler import Event, Scheduler
from vmdbg.errors import RecordingError
from vmdbg.machine.pc import Pc
from vmdbg.machine.processor import FittedCpu
from vmdbg.machine.snapshot import (
    MachineState,
    decode_scheduler,
    decode_state,
    decode_unanswered,
    encode_scheduler,
    encode_state,
    encode_unanswered,
)
from vmdbg.units import NEVER


def save_machine(cpu: FittedCpu, pc: Pc, scheduler: Scheduler) -> MachineState:
    """All of a machine but its RAM."""
    engine, pins = cpu.engine, cpu.pins
    return MachineState(
        cpu=engine.snapshot(),
        devices={name: encode_state(device.save()) for name, device in pc.devices.items()},
        scheduler=encode_scheduler(scheduler.save()),
        halted=cpu.halted,
        intr=pins.intr.level,
        intr_visible=engine.interrupt,
        nmi=pins.nmi.level,
        nmi_pending=engine.nmi_pending,
        phase=cpu.position.phase,
        unanswered=encode_unanswered([pc.ports.unanswered.save(), pc.memory.unanswered.save()]),
    )


def restore_machine(state: MachineState, cpu: FittedCpu, pc: Pc, scheduler: Scheduler) -> None:
    """Make the parts what they were when save_machine() was called.

    Raises RecordingError, and the machine is then to be restored again or thrown away.
    """
    _restore_devices(state, pc)
    scheduled = decode_scheduler(state.scheduler)
    if any(not _is_known(event, pc) for event in scheduled.events):
        raise RecordingError("the saved state of the scheduler is damaged: an event is of no device, or no time")
    scheduler.restore(scheduled)
    engine, pins = cpu.engine, cpu.pins
    engine.restore(state.cpu)
    pins.intr.restore(state.intr, state.intr_visible)
    pins.nmi.restore(state.nmi)
    if state.nmi_pending:
        engine.raise_nmi()
    cpu.restored(halted=state.halted, phase=state.phase)


def _restore_devices(state: MachineState, pc: Pc) -> None:
    if state.devices.keys() != pc.devices.keys():
        raise RecordingError("the snapshot is of a machine with other devices")
    for name, device in pc.devices.items():
        try:
            device.restore(decode_state(state.devices[name], device.State, name))
        except ValueError as error:
            raise RecordingError(f"the saved state of {name} is damaged: {error}") from error
    counted = iter(decode_unanswered(state.unanswered))
    for bus in (pc.ports, pc.memory):
        bus.unanswered.restore(next(counted, []))


def _is_known(event: Event, pc: Pc) -> bool:
    return (event.owner == FittedCpu.owner or pc.has_deadlines(event.owner)) and 0 <= event.due <= NEVER
