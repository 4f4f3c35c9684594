"""Assembly where there is no source: listings that a client reads as a source by reference, and breaks in by line."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

from dapstub import values
from dapstub.errors import TargetError
from vmdbg.document.printable import printable
from vmdbg.session.code_lines import decode, instruction_spans, lines_before
from vmdbg.session.session import Session
from vmdbg.units import Linear
from vmdbg.x86.boundaries import boundaries
from vmdbg.x86.mode import Width

MOST_BYTES = 1 << 14
"""Of a function that is listed whole."""
BEFORE = 32
AFTER_BYTES = 1024
"""Around an address of which nobody says what function it is in."""
MOST = 1024
"""Listings of a session: the oldest are forgotten."""
HEAD = 1
"""Lines before the first instruction."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`addresses` of the instructions, linear, ascending; the first is that of `code`."""

    reference: int
    name: str
    code: bytes
    width: Width
    addresses: tuple[int, ...]

    def line_of(self, address: int) -> int | None:
        """From 1; None where no instruction begins."""
        index = bisect_left(self.addresses, address)
        is_there = index < len(self.addresses) and self.addresses[index] == address
        return index + 1 + HEAD if is_there else None

    def at(self, line: int) -> tuple[int, int]:
        """The address and the line of the first instruction from `line` on, or of the last."""
        index = min(max(line - 1 - HEAD, 0), len(self.addresses) - 1)
        return self.addresses[index], index + 1 + HEAD

    @property
    def file(self) -> values.SourceFile:
        return values.SourceFile(self.name, source_reference=self.reference, origin="assembly")


class Listings:
    """Of one session. What was listed once is so again, under the same number, while its code is the same."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: dict[int, Listing] = {}
        self._by_address: dict[int, int] = {}
        """References, by addresses of instructions: the newest."""
        self._next = 1

    def of(self, address: int) -> tuple[Listing, int] | None:
        """Where an instruction of the CPU that is looked at is listed; None where there is no code."""
        known = self._known.get(self._by_address.get(address, 0))
        if known is None or not self._is_so(known):
            known = self._listed(address)
        line = known.line_of(address) if known is not None else None
        return (known, line) if known is not None and line is not None else None

    def get(self, reference: int) -> Listing:
        """Raises TargetError."""
        found = self._known.get(reference)
        if found is None:
            raise TargetError(
                f"the listing {reference} is of another session, or was forgotten: ask for the stack again"
            )
        return found

    def text(self, listing: Listing) -> str:
        lines = [f"{listing.name}:"]
        for address in listing.addresses:
            offset = address - listing.addresses[0]
            instruction = decode(self._session, address, listing.code[offset : offset + 16], listing.width)
            words = "".join(span.text for span in instruction_spans(self._session, instruction))
            lines.append(f"{address:16x}  {printable(words)}")
        return "\n".join(lines) + "\n"

    def _is_so(self, listing: Listing) -> bool:
        there = self._session.debugger.linear().read_prefix(Linear(listing.addresses[0]), len(listing.code))
        return listing.code == there and listing.width is self._session.registers.mode.width

    def _listed(self, address: int) -> Listing | None:
        return self._function(address) or self._surroundings(address)

    def _function(self, address: int) -> Listing | None:
        found = self._session.symbols.nearest(address)
        if found is None or not found.symbol.is_code or not found.offset < found.symbol.size <= MOST_BYTES:
            return None
        made = self._made(found.symbol.name, found.symbol.address, found.symbol.size)
        return made if made is not None and made.line_of(address) is not None else None

    def _surroundings(self, address: int) -> Listing | None:
        before = lines_before(self._session, address, BEFORE) if address else []
        start = before[0].instruction.address if before else address
        return self._made(f"{address:#x}", start, address - start + AFTER_BYTES)

    def _made(self, name: str, start: int, size: int) -> Listing | None:
        code = self._session.debugger.linear().read_prefix(Linear(start), size)
        if not code:
            return None
        width = self._session.registers.mode.width
        addresses = tuple(start + offset for offset in boundaries(code, width))
        made = Listing(self._next, printable(name), code, width, addresses)
        self._next += 1
        self._known[made.reference] = made
        self._by_address |= dict.fromkeys(addresses, made.reference)
        if len(self._known) > MOST:
            self._forget(next(iter(self._known)))
        return made

    def _forget(self, reference: int) -> None:
        for address in self._known.pop(reference).addresses:
            if self._by_address.get(address) == reference:
                del self._by_address[address]
