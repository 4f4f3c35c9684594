"""A machine's parts put into a MachineState and taken out of one."""

from __future__ import annotations

from devices.scheduler import Event, Scheduler
from vmdbg.engine.processor import ENDLESS
from vmdbg.errors import RecordingError
from vmdbg.machine.cpu_pins import CpuPins
from vmdbg.machine.pc import Pc
from vmdbg.machine.processors import FittedCpus
from vmdbg.machine.snapshot import MachineState, PinsState, SeveralState
from vmdbg.machine.state_json import (
    decode_scheduler,
    decode_state,
    decode_unanswered,
    encode_scheduler,
    encode_state,
    encode_unanswered,
)
from vmdbg.units import NEVER


def save_machine(cpus: FittedCpus, pc: Pc, scheduler: Scheduler) -> MachineState:
    """All of a machine but its RAM."""
    engine = cpus.engine
    first, *others = map(_save_pins, cpus.pins)
    several = None
    if others:
        several = SeveralState(tuple(others), first.waits_for_sipi, engine.turn, cpus.turns.state, cpus.turns.changed)
    return MachineState(
        cpu=engine.snapshot(),
        devices={name: encode_state(device.save()) for name, device in pc.devices.items()},
        scheduler=encode_scheduler(scheduler.save()),
        halted=first.halted,
        intr=first.intr,
        intr_visible=first.intr_visible,
        nmi=first.nmi,
        nmi_pending=first.nmi_pending,
        phase=cpus.phase.position.phase,
        unanswered=encode_unanswered([pc.ports.unanswered.save(), pc.memory.unanswered.save()]),
        several=several,
    )


def _save_pins(pins: CpuPins) -> PinsState:
    cpu = pins.cpu
    return PinsState(cpu.halted, cpu.waits_for_sipi, pins.intr.level, cpu.interrupt, pins.nmi.level, cpu.nmi_pending)


def restore_machine(state: MachineState, cpus: FittedCpus, pc: Pc, scheduler: Scheduler) -> None:
    """Make the parts what they were when save_machine() was called.

    Raises RecordingError, and the machine is then to be restored again or thrown away.
    """
    several = state.several
    _check_several(several, len(cpus.pins))
    _restore_devices(state, pc)
    scheduled = decode_scheduler(state.scheduler)
    if any(not _is_known(event, cpus, pc) for event in scheduled.events):
        raise RecordingError("the saved state of the scheduler is damaged: an event is of no device, or no time")
    sequence = scheduled.sequence
    if not 0 <= sequence <= ENDLESS or not all(0 <= event.sequence < sequence for event in scheduled.events):
        raise RecordingError("the saved state of the scheduler is damaged: its events are in no order")
    scheduler.restore(scheduled)
    cpus.engine.restore(state.cpu)
    first = PinsState(
        state.halted,
        several is not None and several.first_waits_for_sipi,
        state.intr,
        state.intr_visible,
        state.nmi,
        state.nmi_pending,
    )
    for pins, saved in zip(cpus.pins, (first, *(several.others if several else ())), strict=True):
        _restore_pins(pins, saved)
    if several is not None:
        cpus.turns.restore(several.turn, several.schedule, several.changed)
    cpus.restored(state.phase)


def _restore_pins(pins: CpuPins, saved: PinsState) -> None:
    pins.intr.restore(saved.intr, saved.intr_visible)
    pins.nmi.restore(saved.nmi)
    cpu = pins.cpu
    cpu.halted, cpu.waits_for_sipi = saved.halted, saved.waits_for_sipi
    if saved.nmi_pending:
        cpu.raise_nmi()


def _check_several(several: SeveralState | None, cpus: int) -> None:
    found = 1 if several is None else 1 + len(several.others)
    if found != cpus:
        raise RecordingError(f"the snapshot is of {found} CPUs, and the machine has {cpus}")
    if several is not None and not (0 <= several.turn.cpu < cpus and 0 <= several.turn.end <= ENDLESS):
        raise RecordingError("the saved state of the CPUs is damaged: it is nobody's turn")


def check_devices(state: MachineState, pc: Pc) -> None:
    """Raises RecordingError for the state of a machine that has other devices, or whose devices hold other things."""
    _check_names(state, pc)
    for name, device in pc.devices.items():
        decode_state(state.devices[name], device.State, name)


def _check_names(state: MachineState, pc: Pc) -> None:
    lacks, strange = pc.devices.keys() - state.devices.keys(), state.devices.keys() - pc.devices.keys()
    if lacks or strange:
        differing = [f"without {name}" for name in sorted(lacks)] + [f"with {name[:40]!r}" for name in sorted(strange)]
        raise RecordingError(f"the snapshot is of a machine with other devices ({', '.join(differing[:8])})")


def _restore_devices(state: MachineState, pc: Pc) -> None:
    _check_names(state, pc)
    for name, device in pc.devices.items():
        try:
            device.restore(decode_state(state.devices[name], device.State, name))
        except ValueError as error:
            raise RecordingError(f"the saved state of {name} is damaged: {error}") from error
    counted = iter(decode_unanswered(state.unanswered))
    for bus in (pc.ports, pc.memory):
        bus.unanswered.restore(next(counted, []))


def _is_known(event: Event, cpus: FittedCpus, pc: Pc) -> bool:
    return (cpus.owns(event.owner) or pc.has_deadlines(event.owner)) and 0 <= event.due <= NEVER
