"""Objects that are in no memory, or only in part: in registers, computed by the compiler, optimized out."""

from __future__ import annotations

from dataclasses import dataclass

from vmdbg.errors import VmdbgError

OPTIMIZED_OUT = "optimized out"


class NotAvailableError(VmdbgError):
    """A value that is not to be had; the text says why, "optimized out" for what is nowhere."""


@dataclass(frozen=True, slots=True)
class Content:
    """The bits of an object, the first byte lowest. Those that `known` has not are not to be had.

    `reasons` are (first bit, end, why) of the parts that are not to be had for another reason than `default`.
    """

    bits: int
    known: int
    default: str = OPTIMIZED_OUT
    reasons: tuple[tuple[int, int, str], ...] = ()
    register: str | None = None
    """Whose lowest bits it is, if all of it is in one."""

    @classmethod
    def nothing(cls, why: str = OPTIMIZED_OUT) -> Content:
        return cls(0, 0, why)

    def part(self, start: int, size: int) -> Content:
        """`size` bits from bit `start` on."""
        mask = (1 << size) - 1
        inside = ((first - start, end - start, why) for first, end, why in self.reasons)
        reasons = tuple(one for one in inside if one[0] < size and one[1] > 0)
        return Content(self.bits >> start & mask, self.known >> start & mask, self.default, reasons)

    @property
    def why(self) -> str:
        """Why not all of it is known."""
        return self.reasons[0][2] if self.reasons else self.default

    def number(self, size: int) -> int:
        """The lowest `size` bits, unsigned. Raises NotAvailableError."""
        mask = (1 << size) - 1
        if self.known & mask != mask:
            raise NotAvailableError(self.why)
        return self.bits & mask

    def read(self, size: int) -> bytes:
        """The first `size` bytes. Raises NotAvailableError."""
        return self.number(8 * size).to_bytes(size, "little")
