"""The CPU standing: registers, the memory that it maps, and what was delivered to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from vmdbg.engine.exits import Delivery, WatchHit
from vmdbg.units import Linear, Physical, Tick


@dataclass(frozen=True, slots=True)
class AddressLines:
    """MAXPHYADDR; whether there are pages of 1 GiB; whether address line 20 leads out."""

    physical_bits: int = 40
    gigabyte_pages: bool = True
    a20: bool = True


class Inspection(Protocol):
    """The CPU standing: registers, the memory that it maps, and what was delivered to it."""

    def read_register(self, name: str) -> int:
        """Raises KeyError for a name that is not in `register_names`."""
        ...

    def read_registers(self, names: Iterable[str]) -> list[int]:
        """Several at once, at little more than the price of one. Raises KeyError."""
        ...

    def register_reader(self, name: str) -> Callable[[], int]:
        """What reads one register again and again, as fast as it can be done. Raises KeyError."""
        ...

    @property
    def linear_pc(self) -> Linear:
        """cs.base + rip, as the CPU fetches."""
        ...

    @property
    def address_lines(self) -> AddressLines:
        """What of its model, and of the board, decides what page tables mean."""
        ...

    def translate(self, address: Linear) -> Physical | None:
        """Where the page tables have it, as read_linear() finds them; None if nowhere."""
        ...

    def read_linear(self, address: Linear, size: int) -> bytes:
        """What of RAM the page tables map from `address` on, up to `size` bytes. Leaves no trace in tables or TLB."""
        ...

    def read_integer(self, address: Linear, size: int) -> int | None:
        """The little-endian value of 1 to 8 bytes, as read_linear() reads them; None if they are not all there."""
        ...

    def write_register(self, name: str, value: int) -> None: ...

    def write_registers(self, values: Mapping[str, int]) -> None:
        """Several at once, so that no state in between need make sense."""
        ...

    @property
    def register_names(self) -> Sequence[str]: ...

    @property
    def watch_hits(self) -> tuple[WatchHit, ...]:
        """What the last instruction of the last run touched, also where something else ended that, as HLT."""
        ...

    def delivery(self, back: int = 1, /) -> Delivery | None:
        """The last delivery, or the one before it for 2, and so on; None if there is none or it is no longer known."""
        ...

    def deliveries(self) -> tuple[Delivery, ...]:
        """The last deliveries, oldest first."""
        ...

    @property
    def delivery_count(self) -> int:
        """How many there have been; not part of the guest's state."""
        ...

    @property
    def instant(self) -> tuple[Tick, int]:
        """The clock and the count of deliveries, at the price of one."""
        ...

    @property
    def deliveries_now(self) -> int:
        """How many of the last ones came at this tick, restore() aside."""
        ...
