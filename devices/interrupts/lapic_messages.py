"""Messages of the APIC bus: which are for a local APIC, and what it does with them.

Source: Intel SDM 3A, 11.6 (interprocessor interrupts), 11.12.10 (destinations in x2APIC mode).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from devices.interrupts.apic_bus import (
    BROADCAST,
    LOWEST_VECTOR,
    DeliveryMode,
    InterruptMessage,
    destination_of_8_bits,
)
from devices.interrupts.lapic_interrupts import LapicInterrupts
from devices.interrupts.lapic_memory import LapicMemory
from devices.interrupts.lapic_registers import DFR_FLAT, ICR_ASSERT, ICR_LEVEL, ICR_LOGICAL, SVR_ENABLED, Error
from devices.seam import Line

NEVER_SENT = (DeliveryMode.RESERVED, DeliveryMode.EXTINT)
"""Modes that the ICR does not have."""


@dataclass(frozen=True, slots=True)
class ProcessorPins:
    """What a local APIC drives of its processor.

    `intr` is a level; `nmi` is pulsed, the processor latches its edge. `init` resets the processor, whose local APIC
    has been reset by then; `start_up` has one that waits for it begin at page `vector` of real mode, and is nothing to
    others.
    """

    intr: Line
    nmi: Line
    init: Callable[[], None]
    start_up: Callable[[int], None]


class LapicMessages:
    """The bus side of a local APIC. `reset` puts its registers into the state of an INIT."""

    def __init__(
        self, state: LapicMemory, interrupts: LapicInterrupts, pins: ProcessorPins, reset: Callable[[], None]
    ) -> None:
        self._state = state
        self._interrupts = interrupts
        self._pins = pins
        self._reset = reset

    @property
    def takes_fixed(self) -> bool:
        return bool(self._state.enabled and self._state.svr & SVR_ENABLED)

    def is_destination(self, message: InterruptMessage) -> bool:
        """Physical and logical, the latter flat, by cluster or as x2APIC has it (SDM 11.6.2, 11.12.10)."""
        state, destination = self._state, message.destination
        if not state.enabled:
            return False
        if destination == BROADCAST:
            return True
        if not message.logical:
            return destination == state.apic_id
        if state.x2apic:
            own = logical_x2apic_id(state.apic_id)
            return destination >> 16 == own >> 16 and bool(destination & own & 0xFFFF)
        own = state.ldr >> 24
        if destination > 0xFF:
            return False
        if state.dfr >> 28 == DFR_FLAT:
            return bool(destination & own)
        in_cluster = destination >> 4 in (own >> 4, 0xF)
        return in_cluster and bool(destination & own & 0xF)

    def accept(self, message: InterruptMessage) -> bool:
        """A message that is for this local APIC. Turned off by software it still takes NMI, INIT and start-up
        (SDM 11.4.7.2). There is no SMM: an SMI is taken and changes nothing.
        """
        match message.mode:
            case DeliveryMode.FIXED | DeliveryMode.LOWEST_PRIORITY:
                if not self.takes_fixed:
                    return False
                self._interrupts.request(message.vector, message.level_triggered)
            case DeliveryMode.NMI:
                self._interrupts.pulse_nmi()
            case DeliveryMode.EXTINT:
                self._state.extint_pending = True
            case DeliveryMode.INIT:
                self._reset()
                self._pins.init()
            case DeliveryMode.START_UP:
                self._pins.start_up(message.vector)
            case _:
                pass
        self._interrupts.update()
        return True

    def command(self, icr_low: int) -> InterruptMessage | None:
        """What writing the low half of the ICR sends (SDM 11.6.1); None: nothing.

        The level bit matters for INIT alone, whose de-assertion only told processors of old to agree on arbitration.
        """
        state = self._state
        mode, vector = DeliveryMode(icr_low >> 8 & 7), icr_low & 0xFF
        if mode in (DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY) and vector < LOWEST_VECTOR:
            self._interrupts.raise_error(Error.SEND_ILLEGAL_VECTOR)
            return None
        is_end_of_init = mode is DeliveryMode.INIT and icr_low & (ICR_LEVEL | ICR_ASSERT) == ICR_LEVEL
        if not state.enabled or mode in NEVER_SENT or is_end_of_init:
            return None
        destination = state.icr_high if state.x2apic else destination_of_8_bits(state.icr_high >> 24)
        return InterruptMessage(destination, bool(icr_low & ICR_LOGICAL), mode, vector, level_triggered=False)


def logical_x2apic_id(apic_id: int) -> int:
    """Cluster in the high half, one bit for the member in the low one (SDM 11.12.10.2)."""
    return apic_id >> 4 << 16 | 1 << (apic_id & 0xF)
