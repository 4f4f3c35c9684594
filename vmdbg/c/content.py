"""Objects that are in no memory, or only in part: in registers, computed by the compiler, optimized out."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.errors import VmdbgError

OPTIMIZED_OUT = "optimized out"


class NotAvailableError(VmdbgError):
    """A value that is not to be had; the text says why, "optimized out" for what is nowhere."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bits of an object, the first byte lowest. Those that `known` has not are not to be had, for the reason."""

    bits: int
    known: int
    why: str = OPTIMIZED_OUT

    @classmethod
    def nothing(cls, why: str = OPTIMIZED_OUT) -> Content:
        return cls(0, 0, why)

    def part(self, start: int, size: int) -> Content:
        """`size` bits from bit `start` on."""
        mask = (1 << size) - 1
        return Content(self.bits >> start & mask, self.known >> start & mask, self.why)

    def number(self, size: int) -> int:
        """The lowest `size` bits, unsigned. Raises NotAvailableError."""
        mask = (1 << size) - 1
        if self.known & mask != mask:
            raise NotAvailableError(self.why)
        return self.bits & mask

    def read(self, size: int) -> bytes:
        """The first `size` bytes. Raises NotAvailableError."""
        return self.number(8 * size).to_bytes(size, "little")
