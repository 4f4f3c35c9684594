"""What names in an expression mean: registers, variables, functions, symbols."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from vmdbg.debugger.debugger import Debugger
from vmdbg.debugger.registers import RegisterFile
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.operators import MAX_LENGTH
from vmdbg.expressions.segments import segment_base
from vmdbg.expressions.values import ExpressionValue, MemoryView, whole
from vmdbg.units import Linear, Physical

Function = Callable[..., ExpressionValue]
MAX_STRING = 4096


class SymbolLookup(Protocol):
    """Names to addresses."""

    def find(self, name: str) -> int | None: ...


class Scope:
    """The stopped guest as expressions see it. Lives as long as the session; values are read when evaluated."""

    def __init__(self, debugger: Debugger, symbols: SymbolLookup) -> None:
        self.debugger = debugger
        self.symbols = symbols
        self.registers = RegisterFile(debugger.cpu)
        self.variables: dict[str, ExpressionValue] = {}
        self.mem = MemoryView(self._read_linear, self._word, "mem")
        self.phys = MemoryView(self._read_physical, self._word, "phys")
        self.functions: dict[str, Function] = self._functions()
        self.named_arguments: dict[str, int] = {}
        """Functions one of whose arguments, the first (0) or the last (-1), is a name, quoted or not."""
        self.program: Callable[[str], ExpressionValue] | None = None
        """The value of a variable of the program where the guest stands, None for what is none; if it can be told."""
        self.global_variable: Callable[[str], ExpressionValue] | None = None
        """The variable of the program that a symbol is the name of, None for what is none; if it can be told."""
        self.constant: Callable[[str], ExpressionValue] = lambda _: None
        """The enumerator of that name, None for what is none; if it can be told."""
        self.of_each_cpu: Callable[[str, int], Callable[[], int] | None] = lambda _name, _address: None
        """Where the CPU that is looked at has its own of what a symbol names, if each has one; else None."""
        self.generation: Callable[[], int | None] = lambda: None
        """As long as it is the same, an address is that of the same variable; None where that cannot be told."""
        self.objects: dict[str, Callable[[], ExpressionValue]] = {"mem": lambda: self.mem, "phys": lambda: self.phys}

    def lookup(self, name: str) -> Callable[[], ExpressionValue] | None:
        """How to get the value of a name: variables, registers, objects, symbols, enumerators, in this order.

        None: unknown.
        """
        if name in self.variables:
            return lambda: self._variable(name)
        if name in self.registers:
            return self._register_reader(name)
        if name in self.objects:
            return self.objects[name]
        address = self.symbols.find(name)
        if address is not None:
            return self._symbol_reader(name, address)
        found = self.constant(name)
        return None if found is None else lambda: found

    def _symbol_reader(self, name: str, address: int) -> Callable[[], int]:
        """Which of the two a symbol is, is known for as long as what is known of the guest is the same."""
        known: list[tuple[int | None, Callable[[], int] | None]] = []

        def read() -> int:
            generation = self.generation()
            if not known or generation is None or known[0][0] != generation:
                known[:] = [(generation, self.of_each_cpu(name, address))]
            own = known[0][1]
            return address if own is None else own()

        return read

    def goes_before_symbols(self, name: str) -> bool:
        """Whether lookup() finds something else by that name before it asks for a symbol."""
        return name in self.variables or name in self.registers or name in self.objects

    def variable_at_symbol(self, name: str) -> ExpressionValue:
        """The variable whose address the name means; None for registers, the user's own names, and functions."""
        if self.global_variable is None or self.goes_before_symbols(name):
            return None
        return self.global_variable(name)

    def _variable(self, name: str) -> ExpressionValue:
        if name not in self.variables:
            raise ExpressionError(f"the variable {name!r} is gone")
        return self.variables[name]

    def _register_reader(self, name: str) -> Callable[[], int]:
        engine = self.debugger.engine
        word = self.registers.canonical(name)
        if word in engine.register_names:
            return lambda: self.debugger.engine.read_register(word)
        return lambda: self.registers.read(word)

    def names(self) -> Iterable[str]:
        yield from self.variables
        yield from self.registers.names()
        yield from self.objects
        yield from self.functions

    def _word(self) -> int:
        return self.registers.mode.width // 8

    def _read_linear(self, address: int, size: int) -> bytes:
        return self.debugger.linear().read(Linear(address), size)

    def _read_physical(self, address: int, size: int) -> bytes:
        return self.debugger.physical.read(Physical(address), size)

    def _functions(self) -> dict[str, Function]:
        made: dict[str, Function] = {"abs": abs, "min": min, "max": max, "len": len}
        made |= {"sum": sum, "any": any, "all": all, "int": _integer, "hex": lambda n: hex(whole(n)), "range": _range}
        for size in (1, 2, 4, 8):
            made[f"u{size * 8}"] = self._reader(size, signed=False)
            made[f"i{size * 8}"] = self._reader(size, signed=True)
            made[f"s{size * 8}"] = made[f"i{size * 8}"]
        made |= {"string": self._string, "symbol": self._symbol, "register": self._register}
        made |= {"linear": self._segment_offset, "translate": self._translate}
        return made

    def _reader(self, size: int, *, signed: bool) -> Function:
        def read(address: ExpressionValue) -> int:
            data = self.mem.read_bytes(whole(address) & (1 << 64) - 1, size)
            return int.from_bytes(data, "little", signed=signed)

        return read

    def _string(self, address: ExpressionValue, limit: int = MAX_STRING) -> str:
        """The text at an address, to its zero byte."""
        start = whole(address) & (1 << 64) - 1
        data = self.debugger.linear().read_prefix(Linear(start), min(whole(limit), MAX_STRING))
        if not data:
            self.mem.read_bytes(start, 1)
        return data.split(b"\0", 1)[0].decode("utf-8", "replace")

    def _symbol(self, name: ExpressionValue) -> int:
        found = self.symbols.find(str(name))
        if found is None:
            raise ExpressionError(f"there is no symbol {name!r}")
        return found

    def _register(self, name: ExpressionValue) -> int:
        return self.registers.read(str(name))

    def _translate(self, address: ExpressionValue) -> int:
        """The physical address of a linear one."""
        found = self.debugger.linear().translate(Linear(whole(address) & (1 << 64) - 1))
        if found is None:
            raise ExpressionError(f"linear {whole(address):#x} is not mapped")
        return found

    def _segment_offset(self, segment: ExpressionValue, offset: ExpressionValue) -> int:
        return segment_base(self.registers, self.debugger.linear(), whole(segment)) + whole(offset)


def _integer(value: ExpressionValue, base: int = 10) -> int:
    return int(value, base) if isinstance(value, str) else whole(value)


def _range(*bounds: ExpressionValue) -> range:
    made = range(*(whole(bound) for bound in bounds))
    if len(made[: MAX_LENGTH + 1]) > MAX_LENGTH:
        raise ExpressionError(f"a range of more than {MAX_LENGTH} numbers is too long")
    return made
