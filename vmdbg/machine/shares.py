"""The shared folders of a machine's configuration, fitted to its board."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from devices.fitting import Slot
from devices.ninep.share import Share
from devices.ninep.unit import ShareUnit
from devices.seam import NANOSECONDS_PER_SECOND, Device
from devices.virtio.ninep import Virtio9p
from vmdbg.errors import UserError
from vmdbg.machine.answers import Answers
from vmdbg.machine.media import Media

_Fitted = TypeVar("_Fitted", bound=Device)


class Carrier(Protocol):
    """The board under them."""

    def add(self, device: _Fitted) -> _Fitted: ...

    def slot(self, name: str) -> Slot: ...


def fit_shares(carrier: Carrier, shares: Sequence[Share], media: Media, start: int) -> None:
    """`start` as MachineConfig has it. Raises UserError for a machine that has no room for them."""
    for share in shares:
        folder = media.folders[share.name]
        unit = carrier.add(ShareUnit(carrier.slot(share.name), share, folder, start * NANOSECONDS_PER_SECOND))
        _join(folder, unit)
        try:
            carrier.add(Virtio9p(carrier.slot(f"virtio-{share.name}"), unit, start * NANOSECONDS_PER_SECOND))
        except ValueError as error:
            raise UserError(f"{share.name}: {error}") from None


class _Asks(Protocol):
    @property
    def asked(self) -> int: ...

    def recalled(self) -> list[int]: ...


def _join(folder: Answers, unit: _Asks) -> None:
    """The folder's answers are those that the unit, as it is restored, has had."""
    folder.asked = lambda: unit.asked
    folder.needed = unit.recalled
