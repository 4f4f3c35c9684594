"""The local APICs of a machine, joined: who gets a message, and whose a processor finds at their common address.

All happens at once and in the order of the processors, so that equal machines do the same.

Source: Intel SDM 3A, 11.6.1 (shorthands), 11.6.2 (destinations), 11.6.2.4 (lowest priority).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from devices.interrupts.apic_bus import BROADCAST, DeliveryMode, InterruptMessage, Receiver, Shorthand
from devices.seam import AddressedDevice


class LocalApics:
    """apic_bus.InterprocessorBus."""

    def __init__(self, apics: Sequence[Receiver]) -> None:
        self._apics = tuple(apics)
        self.on_sent: list[Callable[[InterruptMessage, Sequence[int]], None]] = []
        """Told of each interprocessor interrupt before it is handed over, with the numbers of those that it is for."""

    def deliver(self, message: InterruptMessage) -> bool:
        """Hand over one message; False if no local APIC accepts it."""
        return self._hand_over(self._apics, message)

    def send(self, sender: Receiver, shorthand: Shorthand, message: InterruptMessage) -> None:
        if shorthand is Shorthand.NONE:
            self._tell_and_hand_over(self._apics, message)
            return
        message = replace(message, destination=BROADCAST, logical=False)
        match shorthand:
            case Shorthand.SELF:
                self._tell_and_hand_over([sender], message)
            case Shorthand.ALL_INCLUDING_SELF:
                self._tell_and_hand_over(self._apics, message)
            case Shorthand.ALL_EXCLUDING_SELF:
                self._tell_and_hand_over([apic for apic in self._apics if apic is not sender], message)

    def _tell_and_hand_over(self, apics: Iterable[Receiver], message: InterruptMessage) -> None:
        receivers = _receivers(apics, message)
        for told in self.on_sent:
            told(message, [number for number, apic in enumerate(self._apics) if apic in receivers])
        for receiver in receivers:
            receiver.accept(message)

    def _hand_over(self, apics: Iterable[Receiver], message: InterruptMessage) -> bool:
        accepted = False
        for receiver in _receivers(apics, message):
            accepted |= receiver.accept(message)
        return accepted


def _receivers(apics: Iterable[Receiver], message: InterruptMessage) -> list[Receiver]:
    found = [apic for apic in apics if apic.is_destination(message)]
    return _lowest_priority(found) if message.mode is DeliveryMode.LOWEST_PRIORITY else found


def _lowest_priority(receivers: Iterable[Receiver]) -> list[Receiver]:
    """The one with the least to do; of equals that with the lowest APIC ID, where chip sets differ."""
    able = [receiver for receiver in receivers if receiver.takes_fixed]
    return [min(able, key=lambda one: (one.arbitration_priority, one.apic_id))] if able else []


class OwnLocalApic:
    """What the processor whose code runs finds at the local APICs' address: its own. `running` is its number."""

    def __init__(self, apics: Sequence[AddressedDevice], running: Callable[[], int]) -> None:
        self._apics = apics
        self._running = running

    def read(self, offset: int, size: int, now: int) -> int:
        return self._apics[self._running()].read(offset, size, now)

    def write(self, offset: int, size: int, value: int, now: int) -> None:
        self._apics[self._running()].write(offset, size, value, now)
