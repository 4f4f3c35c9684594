"""Stops in words, for front ends that have no room for tables."""

from __future__ import annotations

from typing import assert_never

from devices.disk.requests import Operation
from vmdbg.debugger.stops import Ending, EventStop
from vmdbg.engine.exits import Delivery, DeliveryKind, EventKind, Stuck, TripleFault, VoidFetch
from vmdbg.machine.outcome import (
    DeviceEvent,
    DiskDone,
    HaltedForever,
    IpiSent,
    MessageSent,
    PacketPassed,
    PoweredOff,
    ResetRequested,
    TestExited,
)
from vmdbg.x86.exceptions import PAGE_FAULT, describe_error_code, vector_name
from vmdbg.x86.fields import changed_words, flag_words
from vmdbg.x86.msr import BY_INDEX as MSRS
from vmdbg.x86.registers import decode

_KINDS = {
    DeliveryKind.EXCEPTION: "exception",
    DeliveryKind.SOFTWARE: "software interrupt",
    DeliveryKind.EXTERNAL: "interrupt",
}


def describe_delivery(delivery: Delivery) -> str:
    """As in `#PF at 0x401000 in ring 3, address 0x10: user write: not present`."""
    name = vector_name(delivery.vector)
    if delivery.kind is DeliveryKind.NMI:
        name = "NMI"
    elif delivery.kind is not DeliveryKind.EXCEPTION:
        name = f"{_KINDS[delivery.kind]} {delivery.vector:#04x}"
    text = f"{name} at {delivery.linear_pc:#x} in ring {delivery.cpl}"
    if delivery.kind is not DeliveryKind.EXCEPTION:
        return text
    if delivery.vector == PAGE_FAULT:
        text += f", address {delivery.cr2:#x}"
    error = describe_error_code(delivery.vector, delivery.error_code)
    return f"{text}: {error}" if error else text


def describe_event(stop: EventStop) -> str:
    """What the instruction at the pc is about to do."""
    match stop.kind:
        case EventKind.CR3_LOAD:
            return f"a load of cr3: {stop.subject:#x} becomes {stop.value:#x}"
        case EventKind.MODE_SWITCH:
            changes = changed_words(decode("cr0", stop.subject), decode("cr0", stop.value))
            return f"a mode switch: cr0 {stop.subject:#x} becomes {stop.value:#x}: {changes}"
        case EventKind.MSR_READ:
            return f"a read of MSR {_msr(stop.subject)}"
        case EventKind.MSR_WRITE:
            return f"a write to MSR {_msr(stop.subject)}: {stop.value:#x}{_msr_bits(stop.subject, stop.value)}"
        case EventKind.RING:
            return f"a change of ring: {stop.subject} becomes {stop.value}"
        case EventKind.MAGIC:
            return "a magic breakpoint: xchg bx,bx"
        case EventKind.LOCKED:
            return "a locked access"
        case EventKind.PORT_READ:
            return f"a read of port {stop.subject:#x}"
        case EventKind.PORT_WRITE:
            return f"a write to port {stop.subject:#x}: {stop.value:#x}"
    assert_never(stop.kind)


def describe_device_event(event: DeviceEvent) -> str:
    """As in `a read of sectors 2048 to 2055 of disk0, submitted at tick 1,000`."""
    match event:
        case DiskDone(drive, Operation.FLUSH, _, _, submitted):
            return f"a flush of {drive}, submitted at tick {submitted:,}"
        case DiskDone(drive, operation, sector, count, submitted):
            sectors = f"sector {sector}" if count == 1 else f"sectors {sector} to {sector + count - 1}"
            return f"a {operation} of {sectors} of {drive}, submitted at tick {submitted:,}"
        case MessageSent(device, address, data, vector, mode):
            of = "" if mode == "fixed" else f", {mode}"
            return f"a message of {device}: vector {vector:#04x}{of} ({data:#x} to {address:#x})"
        case IpiSent(sender, receivers, vector, mode):
            to = ", ".join(map(str, receivers)) or "none that is there"
            of = "" if mode == "fixed" else f", {mode}"
            what = f"interrupt {vector:#04x}{of}" if vector is not None else mode
            return f"{what} from CPU {sender} to {'CPUs' if len(receivers) > 1 else 'CPU'} {to}"
        case PacketPassed(net, direction, source, target, protocol, info, fate):
            lost = f", lost: {fate}" if fate else ""
            return f"a packet that {net} has {direction}{lost}: {source} to {target}, {protocol}: {info}"
    assert_never(event)


def _msr(index: int) -> str:
    return f"{index:#x} ({MSRS[index].name})" if index in MSRS else f"{index:#x}"


def _msr_bits(index: int, value: int) -> str:
    words = flag_words(MSRS[index].decode(value)) if index in MSRS else ""
    return f" [{words}]" if words else ""


def describe_ending(outcome: Ending) -> str:
    """Why the guest can go no further."""
    match outcome:
        case PoweredOff():
            return "the guest powered itself off"
        case TestExited(code):
            return f"the guest left through the test-exit port with value {code >> 1}"
        case ResetRequested():
            return "the guest asked for a reset of the machine"
        case HaltedForever(enabled):
            why = "nothing is left that could wake it" if enabled else "interrupts are off"
            return f"the guest halted for ever: {why}"
        case TripleFault():
            return "triple fault: the CPU shut down"
        case VoidFetch(linear, physical):
            return f"the guest went on to execute at {linear:#x}, physical {physical:#x}, where there is no memory"
        case Stuck():
            return "the guest takes one exception after another and executes nothing"
    assert_never(outcome)


def fault_chain(deliveries: tuple[Delivery, ...]) -> tuple[Delivery, ...]:
    """The exceptions that led to a triple fault, oldest first: those at the tick of the last one."""
    if not deliveries:
        return ()
    last = deliveries[-1].tick
    chain: list[Delivery] = []
    for delivery in reversed(deliveries):
        if delivery.tick != last or delivery.kind is DeliveryKind.EXTERNAL:
            break
        chain.insert(0, delivery)
    return tuple(chain[-4:])
