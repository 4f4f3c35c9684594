"""Names and addresses of the kernel and of the modules that it has loaded now."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from vmdbg.errors import UserError
from vmdbg.os.linux.kallsyms import KERNEL_HALF, KernelSymbols
from vmdbg.os.seam import Location, Symbol
from vmdbg.units import Linear


class NoSuchSymbolError(UserError):
    """Neither the kernel nor a loaded module has this symbol."""


@dataclass(frozen=True, slots=True)
class ModuleSymbols:
    """The symbols of one module, by address, and the ranges of memory that are its own."""

    name: str
    ranges: tuple[tuple[int, int], ...]
    symbols: tuple[Symbol, ...]


class KernelTable:
    """The kernel's own symbols; the same for the whole life of a boot.

    `addresses` ascend and are those of a kernel at `linked`; all from there on are `slide` higher in the
    guest. `text` is "\\n", then every name with "\\n" behind it: searched as one string until all names are
    needed.
    """

    def __init__(self, addresses: array[int], linked: int, slide: int, text: bytes, kinds: bytes) -> None:
        self.addresses = addresses
        self.linked = linked
        self.slide = slide
        self.text = text
        self.kinds = kinds
        self._found: dict[str, int | None] = {}
        end = self.find("_end")
        self.end = end if end is not None else self._address(len(addresses) - 1) + 1

    @classmethod
    def of(cls, symbols: KernelSymbols, base: int) -> KernelTable:
        """Symbols as they were read from a guest."""
        text = "\n".join(["", *symbols.names, ""]).encode()
        return cls(array("Q", symbols.addresses), base, 0, text, symbols.kinds)

    @cached_property
    def names(self) -> list[str]:
        return self.text.decode("utf-8", "replace").split("\n")[1:-1]

    @cached_property
    def sorted_names(self) -> list[str]:
        return sorted(set(self.names))

    def _address(self, index: int) -> int:
        address = self.addresses[index]
        return address + self.slide if address >= self.linked else address

    def iter_addresses(self) -> Iterator[int]:
        """In the order of `names`."""
        return map(self._address, range(len(self.addresses)))

    def _indexes(self, name: str) -> Iterator[int]:
        line = f"\n{name}\n".encode()
        position = self.text.find(line)
        index, counted = 0, 0
        while position >= 0:
            index += self.text.count(b"\n", counted, position)
            counted = position
            yield index
            position = self.text.find(line, position + len(line) - 1)

    def find(self, name: str) -> int | None:
        """The address of the first symbol of that name."""
        if name not in self._found:
            index = next(self._indexes(name), None) if name and "\n" not in name else None
            self._found[name] = None if index is None else self._address(index)
        return self._found[name]

    def all(self, name: str) -> list[int]:
        """Every address of a name: static functions share names."""
        return [self._address(index) for index in self._indexes(name)]

    def symbol(self, index: int) -> Symbol:
        raw = self.addresses[index]
        after = bisect_right(self.addresses, raw, index)
        end = self._address(after) if after < len(self.addresses) else self.end
        address = self._address(index)
        return Symbol(self.names[index], Linear(address), max(0, end - address), chr(self.kinds[index]))

    def nearest(self, address: int) -> Location | None:
        """As kallsyms_lookup() of the kernel: of several symbols at one address, the first."""
        if not self.linked + self.slide <= address < self.end:
            return None
        index = bisect_right(self.addresses, address - self.slide) - 1
        if index < 0 or self.addresses[index] < self.linked:
            return None
        index = bisect_left(self.addresses, self.addresses[index])
        return Location(self.symbol(index), address - self._address(index))

    def names_at(self, address: int) -> list[str]:
        """All symbols at exactly this address."""
        raw = address - self.slide
        return self.names[bisect_left(self.addresses, raw) : bisect_right(self.addresses, raw)]

    def __iter__(self) -> Iterator[Symbol]:
        return map(self.symbol, range(len(self.names)))


class LinuxSymbols:
    """The kernel's symbols and those of the modules as `modules` finds them when first needed."""

    def __init__(self, kernel: KernelTable, modules: Callable[[], Sequence[ModuleSymbols]]) -> None:
        self.kernel = kernel
        self._find_modules = modules

    @cached_property
    def modules(self) -> tuple[ModuleSymbols, ...]:
        return tuple(self._find_modules())

    def find(self, name: str) -> Linear | None:
        """`name`, or `module:name`; None if there is no such symbol."""
        module, _, plain = name.rpartition(":")
        if not module:
            address = self.kernel.find(name)
            if address is not None:
                return Linear(address)
        for one in self.modules:
            if module in ("", one.name):
                for symbol in one.symbols:
                    if symbol.name == plain:
                        return symbol.address
        return None

    def address_of(self, name: str) -> Linear:
        address = self.find(name)
        if address is None:
            raise NoSuchSymbolError(f"no symbol {name!r} in the guest's kernel or its modules")
        return address

    def nearest(self, address: int) -> Location | None:
        found = self.kernel.nearest(address)
        if found is not None or address < KERNEL_HALF:
            return found
        for module in self.modules:
            if any(start <= address < end for start, end in module.ranges):
                return _nearest_in(module, address)
        return None

    def describe(self, address: int) -> str:
        """`symbol+offset`, or "" for an address that belongs to none."""
        found = self.nearest(address)
        return str(found) if found else ""

    def matching(self, prefix: str, limit: int = 100) -> list[str]:
        names = self.kernel.sorted_names
        start = bisect_left(names, prefix)
        found = []
        for name in names[start : start + limit]:
            if not name.startswith(prefix):
                break
            found.append(name)
        for module in self.modules:
            found += [symbol.name for symbol in module.symbols if symbol.name.startswith(prefix)]
        return sorted(set(found))[:limit]

    def __iter__(self) -> Iterator[Symbol]:
        yield from self.kernel
        for module in self.modules:
            yield from module.symbols


def _nearest_in(module: ModuleSymbols, address: int) -> Location | None:
    best = None
    for symbol in module.symbols:
        if symbol.address <= address and (best is None or symbol.address > best.address):
            best = symbol
    return Location(best, address - best.address) if best else None
