"""The seam between network devices and who is at the other end of their cables.

What happens to a frame, in order:

1. A network device sends it: `Plug.transmit`, at the tick at which its last byte has left.
2. The cable carries it. Somebody inside the machine hears it in a deadline of the cable's (`Peer`); somebody outside
   is told of it (`Outlet`) and does with it what he likes, at once or later: nothing that he does comes back here but
   as an input.
3. From outside a frame comes as a FrameInput, several as a FramesInput, which are recorded with their tick; from a peer
   by `Line.send`, which is a function of what the machine has been told, so that it is not recorded.
4. The cable carries it, and the network device gets it in a deadline (`Nic.receive`), where it may reach memory.

So a run is repeated bit for bit with inputs alone; a peer is saved, restored and hashed with the machine, and nobody
outside is needed in a replay, or asked.

Time is `now`, in nanoseconds of guest time, everywhere.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Nic(Protocol):
    """A network device, as its cable knows it. It is plugged in by Cable.plug(), before anything happens."""

    def receive(self, frame: bytes, now: int) -> bool:
        """A frame has come; in a deadline, so it may go to memory at once. SHORTEST to LONGEST bytes, not padded.

        False: there is no room for it, and it is lost; the cable counts that. A frame that filters keep out, or that is
        too long for the device as it is set up, has been taken: True. A device may hold a bounded number of frames that
        its driver has no buffers for yet; they are part of its state.
        """
        ...

    def settle(self, now: int) -> None:
        """No more frames come in this deadline: a device that has kept them may work at all of them now."""
        ...

    def link_changed(self, now: int) -> None:
        """`Plug.link_up` is another now. In an input: registers and interrupt lines may change, memory may not."""
        ...


class Plug(Protocol):
    """What a network device is given: its end of the cable."""

    @property
    def link_up(self) -> bool:
        """Whether there is a link. It is up at first."""
        ...

    @property
    def whole_segments(self) -> bool:
        """Whether the far end takes TCP's segments of more than a frame may usually have, and sends such: to a device
        that cuts them for drivers which do not take them. It is so from the beginning, and always."""
        ...

    def transmit(self, frame: bytes, now: int) -> None:
        """Send. In a deadline or in an access; nothing comes back before another deadline.

        Anything may be sent: what is no frame goes nowhere. The device has padded it where it does that.
        """
        ...


class Peer(Protocol):
    """Somebody at the other end who is a part of the machine: a device of the board beside, with deadlines and a state.

    He is made with a `Line`, and is a function of frames, their ticks and his own deadlines: no clock, no randomness,
    no host but through what is recorded.
    """

    def hear(self, frame: bytes, now: int) -> None:
        """A frame that the guest sent has come; in a deadline."""
        ...


class Line(Protocol):
    """A peer's end of the cable."""

    def send(self, frame: bytes, now: int) -> None:
        """To the network device, which has it at a deadline of the cable's. In a deadline or in hear()."""
        ...

    @property
    def waiting(self) -> int:
        """How many bytes are on their way to the network device: who has much to send waits until they are fewer."""
        ...


class Outlet(Protocol):
    """Somebody outside of the machine at the other end: the host, or a link to another machine.

    Told while the machine runs, also where a part of the past is gone through once more. `number` counts the frames
    of the cable that went out, from 0: whoever passes them on keeps the next number that is new, and drops those
    below it. After a fork of the history numbers come again for other frames. It must not call back into the machine.
    """

    def transmit(self, number: int, frame: bytes, now: int) -> None: ...


class Direction(enum.StrEnum):
    """As the guest sees it."""

    SENT = "sent"
    RECEIVED = "received"


class Fate(enum.StrEnum):
    """What became of a frame."""

    CARRIED = "carried"
    REFUSED = "refused"
    """The network device had no room."""
    LOST = "lost"
    """By the faults that the user wants."""
    UNPLUGGED = "no link"
    CROWDED = "no room on the cable"
    MALFORMED = "no frame"


@dataclass(frozen=True, slots=True)
class Passage:
    """One frame, at the network device's end of the cable: as it was sent, or as it came. For people and tools.

    `number` counts those of the net device in that direction; `now` when that was, and `began` when the frame was put
    on the cable, at whichever end.
    """

    net: str
    direction: Direction
    number: int
    frame: bytes
    began: int
    now: int
    fate: Fate


Listener = Callable[[Passage], None]
"""Told of each; it changes nothing."""
