"""What a client believes of the guest, where other front ends move it too (vmdbg.host.arbiter, 2 and 5)."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from gdbstub.errors import TargetError
from gdbstub.stops import Signal, Signalled
from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.guest import Epoch

MISSED = Signalled(
    Signal.SIGTRAP,
    text="another debugger has moved or changed the guest meanwhile: here is where it stands; nothing was run",
)
"""Instead of what a client asks to be run from where the guest no longer is."""
RUNNING = "the guest is running: another debugger has let it go; `continue` waits for it to stop, Ctrl-C then stops it"


class Standing:
    """Of one client. `waits` says that it has let the guest run and is to be told of the stop.

    What it believes changes when it is told how the guest stands (note), and where it changes the guest itself
    (own_doing); whatever else moves or changes the guest makes it wrong.
    """

    def __init__(self, debugger: Debugger, owner: str, waits: Callable[[], bool]) -> None:
        self._debugger = debugger
        self._owner = owner
        self._waits = waits
        self._known: Epoch = debugger.epoch

    def note(self) -> None:
        """The client knows how the guest stands."""
        self._known = self._debugger.epoch

    def own_doing(self) -> OwnDoing:
        """What changes inside is the client's doing, of which it knows; what it did not know before remains unknown."""
        return OwnDoing(self)

    @property
    def is_known(self) -> bool:
        """Whether the guest stands as the client was last told, or as it made it itself."""
        return self._debugger.epoch == self._known

    def need(self) -> None:
        """Raises TargetError where values would be those of a moment, since somebody else lets the guest run."""
        if self._debugger.running and self._debugger.run_by != self._owner and not self._waits():
            raise TargetError(RUNNING)

    @property
    def joins(self) -> bool:
        """Whether what the client wants to have run is to wait for the stop of somebody else's run."""
        return self._debugger.running and self._debugger.run_by != self._owner


class OwnDoing:
    """Also where it ends in an error, for something may have been changed."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._was_known = False

    def __enter__(self) -> None:
        self._was_known = self._standing.is_known

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._was_known:
            self._standing.note()
