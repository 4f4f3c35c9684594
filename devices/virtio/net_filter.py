"""Which frames a virtio network device keeps, and the commands that say so. Source: virtio 1.2, 5.1.6.5."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace

from devices.network.frame import BROADCAST, MAC_SIZE, is_multicast

MOST_ADDRESSES = 64
"""In each table; of a longer one the device keeps none and lets all of that kind through, as QEMU does."""
VLANS = 4096
_TAGGED = b"\x81\x00"
_COMMAND = 2


class Class(enum.IntEnum):
    RX = 0
    MAC = 1
    VLAN = 2
    ANNOUNCE = 3


class Rx(enum.IntEnum):
    """Commands of class RX, each with a byte that is 0 or 1."""

    PROMISC = 0
    ALLMULTI = 1
    ALLUNI = 2
    NOMULTI = 3
    NOUNI = 4
    NOBCAST = 5


TABLE_SET, ADDR_SET = 0, 1
VLAN_ADD, VLAN_DEL = 0, 1


@dataclass(slots=True)
class FilterState:
    """`modes` are bits by Rx. What a driver has not said anything about comes through, as in QEMU."""

    mac: bytes
    modes: int = 1 << Rx.PROMISC
    unicast: tuple[bytes, ...] = ()
    multicast: tuple[bytes, ...] = ()
    too_many_unicast: bool = False
    too_many_multicast: bool = False
    vlans: list[int] = field(default_factory=list)
    """Sorted."""


class Filter:
    """`state` is the device's to save; `by_vlan`: whether the driver has taken on the table of VLANs."""

    def __init__(self, mac: bytes) -> None:
        self._mac = mac
        self.state = FilterState(mac)

    def reset(self) -> None:
        self.state = FilterState(self._mac)

    def save(self) -> FilterState:
        return replace(self.state, vlans=list(self.state.vlans))

    def restore(self, state: FilterState) -> None:
        """Raises ValueError."""
        tables = (state.unicast, state.multicast)
        sizes = any(len(table) > MOST_ADDRESSES for table in tables) or len(state.vlans) > VLANS
        if sizes or any(len(mac) != MAC_SIZE for table in (*tables, (state.mac,)) for mac in table):
            raise ValueError("addresses that are none")
        self.state = replace(state, vlans=list(state.vlans))

    def _is(self, mode: Rx) -> bool:
        return bool(self.state.modes >> mode & 1)

    def keeps(self, frame: bytes, *, by_vlan: bool) -> bool:
        """Whether the guest is to have it."""
        state, to = self.state, frame[:MAC_SIZE]
        if to == state.mac and not state.modes and frame[12:14] != _TAGGED:
            return True  # as most do, and as what follows says too
        if self._is(Rx.PROMISC):
            return True
        if by_vlan and frame[12:14] == _TAGGED and int.from_bytes(frame[14:16], "big") % VLANS not in state.vlans:
            return False
        if to == BROADCAST:
            return not self._is(Rx.NOBCAST)
        if is_multicast(to):
            everything = self._is(Rx.ALLMULTI) or state.too_many_multicast
            return not self._is(Rx.NOMULTI) and (everything or to in state.multicast)
        everything = self._is(Rx.ALLUNI) or state.too_many_unicast
        return not self._is(Rx.NOUNI) and (everything or to == state.mac or to in state.unicast)

    def obey(self, command: bytes) -> bool:
        """A command without its acknowledgement, but for those of class ANNOUNCE; False if it makes no sense."""
        if len(command) < _COMMAND:
            return False
        number, data = command[1], command[_COMMAND:]
        match command[0]:
            case Class.RX:
                return self._set_mode(number, data)
            case Class.MAC if number == ADDR_SET:
                return self._set_address(data)
            case Class.MAC if number == TABLE_SET:
                return self._set_tables(data)
            case Class.VLAN:
                return self._set_vlan(number, data)
        return False

    def _set_mode(self, number: int, data: bytes) -> bool:
        if number not in list(Rx) or not data:
            return False
        self.state.modes = self.state.modes & ~(1 << number) | bool(data[0]) << number
        return True

    def _set_address(self, data: bytes) -> bool:
        if len(data) != MAC_SIZE:
            return False
        self.state.mac = data
        return True

    def _set_tables(self, data: bytes) -> bool:
        unicast, rest = _table(data)
        multicast, _ = _table(rest) if rest is not None else (None, None)
        if unicast is None or multicast is None:
            return False
        state = self.state
        state.too_many_unicast, state.too_many_multicast = (
            len(table) > MOST_ADDRESSES for table in (unicast, multicast)
        )
        state.unicast = () if state.too_many_unicast else unicast
        state.multicast = () if state.too_many_multicast else multicast
        return True

    def _set_vlan(self, number: int, data: bytes) -> bool:
        vlan = int.from_bytes(data[:2], "little")
        if number not in (VLAN_ADD, VLAN_DEL) or len(data) < 2 or vlan >= VLANS:
            return False
        kept = set(self.state.vlans) - {vlan}
        self.state.vlans = sorted(kept | {vlan} if number == VLAN_ADD else kept)
        return True

    def rows(self) -> str:
        """In words."""
        state = self.state
        modes = " ".join(mode.name.lower() for mode in Rx if self._is(mode)) or "own"
        return f"{modes}, {len(state.unicast)} more addresses, {len(state.multicast)} groups, {len(state.vlans)} VLANs"


def _table(data: bytes) -> tuple[tuple[bytes, ...] | None, bytes | None]:
    """One of the two tables of addresses, and what follows it; None where there are fewer than it says."""
    count = int.from_bytes(data[:4], "little")
    end = 4 + count * MAC_SIZE
    if len(data) < 4 or len(data) < end:
        return None, None
    return tuple(data[at : at + MAC_SIZE] for at in range(4, end, MAC_SIZE)), data[end:]
