"""What makes a virtio device the device that it is: the seam between the transport and each kind of device."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from devices.seam import BusMaster
from devices.virtio.chain import Chain
from devices.virtio.virtqueue import Virtqueue


@dataclass(frozen=True, slots=True)
class Kind:
    """`device` is the virtio device ID (virtio 1.2, 5), `class_code` that of PCI, `queues` the largest sizes.

    `features` are the device's own bits; those of the transport are added.
    """

    device: int
    class_code: int
    queues: tuple[int, ...]
    features: int


class Personality(Protocol):
    """A kind of device, as its transport drives it. All but `config` and `write_config` come in deadlines."""

    @property
    def kind(self) -> Kind: ...

    def config(self) -> bytes:
        """The device configuration, as it reads now."""
        ...

    def write_config(self, offset: int, data: bytes) -> None: ...

    def begin(self, queue: int, chain: Chain, memory: BusMaster) -> int | None:
        """How long the request takes, in nanoseconds; None leaves it in the ring until Transport.kick().

        Changes nothing. Raises RingError for what cannot be answered at all.
        """
        ...

    def finish(self, queue: int, chain: Chain, memory: BusMaster, submitted: int, now: int) -> int:
        """Do it, and return how many bytes were written into the chain.

        Reads from the host come before anything changes. Raises RingError, as begin().
        """
        ...

    def reset(self) -> None:
        """The driver resets the device: what is the device's own is as it was at power-on."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A personality that works at many chains at once on the queues `streams`; the others have begin() and finish()."""

    @property
    def streams(self) -> Set[int]: ...

    def stream(self, number: int, queue: Virtqueue, memory: BusMaster, now: int) -> tuple[bool, int | None]:
        """Work at what is there. Whether the driver wants an interrupt, and in how many nanoseconds to be called again;
        None waits for Transport.kick() or serve(). Raises RingError.
        """
        ...
