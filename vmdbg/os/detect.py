"""Which of the known operating systems runs in a guest. A system more is one line in KNOWN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vmdbg.errors import VmdbgError
from vmdbg.os.seam import Detector, GuestView, OperatingSystem


@dataclass(frozen=True, slots=True)
class KnownSystem:
    """`fits` says at little cost whether it could run now: what knows it is loaded only then, by `make`."""

    title: str
    fits: Callable[[GuestView], bool]
    make: Callable[[], Detector]


def _linux() -> Detector:
    from vmdbg.os.linux.cache import Cache
    from vmdbg.os.linux.operating_system import LinuxDetector

    return LinuxDetector(Cache())


def _is_long(view: GuestView) -> bool:
    """On any CPU: the one that is looked at may be waiting to be started."""
    return view.paging.mode.is_long or any(cpu.paging.mode.is_long for cpu in view.cpus)


KNOWN = (KnownSystem("64-bit Linux", _is_long, _linux),)


class Detection:
    """Asks each system in turn. Detectors are kept, for what they learnt."""

    def __init__(self, known: Sequence[KnownSystem] = KNOWN) -> None:
        self.known = known
        self._detectors: dict[str, Detector] = {}

    def detect(self, view: GuestView) -> OperatingSystem | None:
        """None if none of them runs. Raises what the first raised that says it runs and cannot be read."""
        error: VmdbgError | None = None
        for system in self.known:
            if not system.fits(view):
                continue
            try:
                found = self._detector(system).detect(view)
            except VmdbgError as raised:
                error = error or raised
                continue
            if found is not None:
                return found
        if error is not None:
            raise error
        return None

    def _detector(self, system: KnownSystem) -> Detector:
        made = self._detectors.get(system.title)
        if made is None:
            made = self._detectors[system.title] = system.make()
        return made
