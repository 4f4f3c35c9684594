"""The counters of an 82540EM: they stick at their end, and reading clears them. Source: the manual, 13.7."""

from __future__ import annotations

from devices.network.e1000 import registers as reg
from devices.network.frame import BROADCAST, is_multicast

_WORD = 0xFFFF_FFFF
_CRC_SIZE = 4


class Statistics:
    """Works on counters by the offsets of their registers; those of 64 bits by that of their lower half."""

    def __init__(self, counters: dict[int, int]) -> None:
        self._counters = counters

    def count(self, at: int, amount: int = 1) -> None:
        if amount:
            most = (1 << 64) - 1 if at in reg.WIDE else _WORD
            self._counters[at] = min(self._counters.get(at, 0) + amount, most)

    def take(self, at: int) -> int:
        """What the register reads as, and 0 from now on; the lower half of a wide one stays until the upper is read."""
        if at in reg.WIDE:
            return self._counters.get(at, 0) & _WORD
        if at - 4 in reg.WIDE:
            return self._counters.pop(at - 4, 0) >> 32
        return self._counters.pop(at, 0)

    def sent(self, frame: bytes) -> None:
        size = len(frame) + _CRC_SIZE
        for at in (reg.GPTC, reg.TPT, _class(reg.PTC, size)):
            self.count(at)
        for at in (reg.GOTC, reg.TOT):
            self.count(at, size)
        self._kinds(frame, reg.BPTC, reg.MPTC)

    def arrived(self, frame: bytes) -> None:
        """At the wire, whatever becomes of it."""
        self.count(reg.TPR)
        self.count(reg.TOR, len(frame) + _CRC_SIZE)

    def received(self, frame: bytes) -> None:
        size = len(frame) + _CRC_SIZE
        self.count(reg.GPRC)
        self.count(_class(reg.PRC, size))
        self.count(reg.GORC, size)
        self._kinds(frame, reg.BPRC, reg.MPRC)

    def text(self) -> str:
        at = self._counters.get
        sent, got, missed = at(reg.GPTC, 0), at(reg.GPRC, 0), at(reg.MPC, 0)
        return f"{got} received, {sent} sent, {missed} missed since they were read"

    def _kinds(self, frame: bytes, broadcasts: int, multicasts: int) -> None:
        if frame[:6] == BROADCAST:
            self.count(broadcasts)
        elif is_multicast(frame):
            self.count(multicasts)


def _class(registers: tuple[int, ...], size: int) -> int:
    """The counter of frames as long."""
    return next((at for at, most in zip(registers, reg.SIZES, strict=False) if size <= most), registers[-1])
