"""The seam of who passes a guest's frames on to the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from vmdbg.host.poller import Poller

Receive = Callable[[Sequence[bytes]], None]
"""Frames have come for the guest, one after the other."""


class NetBackend(Protocol):
    """Serves one network device while its guest is live; of it a recording has nothing but the frames that it gave."""

    def open(self, poller: Poller, receive: Receive) -> str | None:
        """Begin; what to tell the user, if anything. Raises UserError."""
        ...

    def send(self, frame: bytes) -> None:
        """A frame of the guest's. What cannot be passed on is lost, as on any network."""
        ...

    def settle(self, *, listening: bool) -> None:
        """Between two slices: set up what is waited for; nothing, if the guest is not `listening`."""
        ...

    def restart(self) -> str | None:
        """The guest is at another instant than the host's side of its connections: drop them. What to tell the user."""
        ...

    def close(self) -> None: ...
