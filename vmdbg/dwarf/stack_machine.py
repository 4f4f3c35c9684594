"""Evaluates DWARF expressions: where a value is, or what it is. Source: DWARF 5, 2.5 and 2.6."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from elftools.dwarf.dwarf_expr import DWARFExprOp

from vmdbg.c.content import OPTIMIZED_OUT, NotAvailableError
from vmdbg.dwarf.location import (
    BaseType,
    Composed,
    Computed,
    ImplicitPointer,
    InMemory,
    InRegister,
    Location,
    Nowhere,
    Piece,
    Simple,
    Surroundings,
)
from vmdbg.dwarf.operations import Operations, name_of
from vmdbg.dwarf.registers import register_names
from vmdbg.errors import VmdbgError

MAX_STEPS = 10_000
MAX_CALLS = 32
MAX_STACK = 1024
Arguments = list[Any]
"""As pyelftools has them: numbers, bytes as numbers, or operations. Which, the operation alone says."""
_PIECES = frozenset({"piece", "bit_piece"})


@dataclass(frozen=True, slots=True)
class _Entry:
    bits: int
    type: BaseType | None = None


@dataclass(slots=True)
class _State:
    stack: list[_Entry] = field(default_factory=list)
    steps: int = 0
    calls: int = 0


class StackMachine:
    """One evaluation. `object_address` is what DW_OP_push_object_address pushes."""

    def __init__(self, around: Surroundings, object_address: int | None = None) -> None:
        self._around = around
        self._machine = around.machine
        self._mask = around.machine.mask
        self._size = around.machine.address_size
        self._object_address = object_address
        self._state = _State()

    def push(self, value: int) -> None:
        """Before the evaluation: the CFA for frame rules, an object's address for members."""
        self._state.stack.append(_Entry(value & self._mask))

    def address(self, operations: Operations) -> int:
        """The result of an expression that gives a plain value: a CFA, a frame base, a bound. NotAvailableError."""
        where = self.location(operations)
        if isinstance(where, InMemory):
            return where.address
        if isinstance(where, InRegister):
            return self._machine.register(where.name) & self._mask
        if isinstance(where, Computed):
            return where.bits
        raise NotAvailableError(where.why if isinstance(where, Nowhere) else OPTIMIZED_OUT)

    def location(self, operations: Operations) -> Location:
        """Where an object is. Raises NotAvailableError, or VmdbgError for memory that cannot be read."""
        pieces: list[Piece] = []
        first = 0
        for index, operation in enumerate(operations):
            if name_of(operation) in _PIECES:
                pieces.append(self._piece(operations[first:index], operation))
                first = index + 1
        if pieces:
            return Composed(tuple(pieces))
        where = self._run(operations)
        return where if where is not None else Nowhere()

    def _piece(self, operations: Operations, ending: DWARFExprOp) -> Piece:
        """A part of an object: what cannot be told of it says nothing of the others."""
        arguments = ending.args
        size, start = (arguments[0] * 8, 0) if name_of(ending) == "piece" else (arguments[0], arguments[1])
        self._state.stack.clear()
        try:
            where = self._run(operations) if operations else None
        except VmdbgError as error:
            where = Nowhere(str(error))
        return Piece(where if where is not None else Nowhere(), size, start)

    def _run(self, operations: Operations) -> Simple | None:
        """The simple location that ends the expression; None if it is empty."""
        offsets = {operation.offset: index for index, operation in enumerate(operations)}
        pending: Simple | None = None
        index = 0
        while index < len(operations):
            operation = operations[index]
            name, arguments = name_of(operation), operation.args
            index += 1
            self._charge()
            if name in ("skip", "bra"):
                if name == "skip" or self._pop().bits:
                    index = self._target(operations, offsets, index, arguments[0])
            elif (found := self._terminal(name, arguments)) is not None:
                pending = found
            else:
                self._step(name, arguments)
        if pending is not None:
            return pending
        return self._top_place() if self._state.stack else None

    def _top_place(self) -> Simple:
        return InMemory(self._generic(self._pop()))

    def _target(self, operations: Operations, offsets: dict[int, int], index: int, by: int) -> int:
        after = operations[index].offset if index < len(operations) else operations[-1].offset + 3
        target = offsets.get(after + by)
        if target is None and not (index >= len(operations) and by == 0):
            if after + by > operations[-1].offset:
                return len(operations)
            raise NotAvailableError("a damaged location")
        return target if target is not None else len(operations)

    def _charge(self) -> None:
        self._state.steps += 1
        if self._state.steps > MAX_STEPS or len(self._state.stack) > MAX_STACK:
            raise NotAvailableError("a location that does not come to an end")

    # what ends an expression

    def _terminal(self, name: str, arguments: Arguments) -> Simple | None:
        if name.startswith("reg") and name[3:].isdecimal():
            return InRegister(self._register_name(int(name[3:])))
        if name == "regx":
            return InRegister(self._register_name(arguments[0]))
        if name == "implicit_value":
            data = bytes(arguments[0])
            return Computed(int.from_bytes(data, "little"), len(data))
        if name == "stack_value":
            top = self._pop()
            return Computed(top.bits, top.type.size if top.type else self._size)
        if name == "implicit_pointer":
            return ImplicitPointer(arguments[0], arguments[1])
        return None

    # operations

    def _step(self, name: str, arguments: Arguments) -> None:
        if name.startswith("lit") and name[3:].isdecimal():
            return self._push(int(name[3:]))
        if name.startswith("breg") and name[4:].isdecimal():
            return self._push(self._register(int(name[4:])) + arguments[0])
        if name.startswith("const") and name[5:] in _CONSTANTS:
            return self._push(arguments[0])
        if name in _BINARY or name in _COMPARISONS:
            return self._binary(name)
        handler = _HANDLERS.get(name)
        if handler is None:
            raise NotAvailableError(f"a location with DW_OP_{name}, which cannot be evaluated")
        handler(self, arguments)
        return None

    def _push(self, value: int, type_: BaseType | None = None) -> None:
        self._state.stack.append(_Entry(value if type_ else value & self._mask, type_))

    def _pop(self) -> _Entry:
        if not self._state.stack:
            raise NotAvailableError("a damaged location")
        return self._state.stack.pop()

    def _generic(self, entry: _Entry) -> int:
        return entry.bits & self._mask

    def _register_name(self, number: int) -> str:
        name = register_names(self._size).get(number)
        if name is None:
            raise NotAvailableError(f"a value in register {number} of DWARF, which is not known")
        return name

    def _register(self, number: int) -> int:
        return self._machine.register(self._register_name(number)) & self._mask

    def _indexed(self, arguments: Arguments) -> None:
        self._push(self._around.placed(self._around.indexed_address(arguments[0])))

    def _pick(self, arguments: Arguments, depth: int | None = None) -> None:
        index = arguments[0] if depth is None else depth
        if index >= len(self._state.stack):
            raise NotAvailableError("a damaged location")
        self._state.stack.append(self._state.stack[-1 - index])

    def _drop(self, _: Arguments) -> None:
        self._pop()

    def _swap(self, _: Arguments) -> None:
        first, second = self._pop(), self._pop()
        self._state.stack += [first, second]

    def _rot(self, _: Arguments) -> None:
        first, second, third = self._pop(), self._pop(), self._pop()
        self._state.stack += [first, third, second]

    def _deref(self, arguments: Arguments) -> None:
        size = arguments[0] if arguments else self._size
        if not 0 < size <= 16:
            raise NotAvailableError("a damaged location")
        self._push(self._machine.word(self._generic(self._pop()), size))

    def _deref_type(self, arguments: Arguments) -> None:
        type_ = self._around.base_type(arguments[1])
        address = self._generic(self._pop())
        self._push(self._machine.word(address, arguments[0]), type_)

    def _unary(self, name: str) -> None:
        entry = self._pop()
        number = entry.type.number(entry.bits) if entry.type else _signed(entry.bits, self._size)
        result = abs(number) if name == "abs" else -number if name == "neg" else ~int(number)
        self._push(entry.type.bits(result) if entry.type else int(result), entry.type)

    def _plus_uconst(self, arguments: Arguments) -> None:
        entry = self._pop()
        if entry.type:
            self._push(entry.type.bits(entry.type.number(entry.bits) + arguments[0]), entry.type)
        else:
            self._push(entry.bits + arguments[0])

    def _binary(self, name: str) -> None:
        right, left = self._pop(), self._pop()
        type_ = left.type
        if type_ != right.type and name not in ("shl", "shr", "shra"):
            raise NotAvailableError("a location that mixes types")
        signed = [entry.type.number(entry.bits) if entry.type else _signed(entry.bits, self._size)
                  for entry in (left, right)]  # fmt: skip
        if name in _COMPARISONS:
            return self._push(int(_COMPARISONS[name](signed[0], signed[1])))
        if name in ("div", "mod") and not signed[1]:
            raise NotAvailableError("a location that divides by zero")
        if type_ is not None and type_.is_float and name not in ("plus", "minus", "mul", "div"):
            raise NotAvailableError("a damaged location")
        numbers = [left.bits, right.bits] if name in _UNSIGNED else signed
        if name in ("shl", "shr", "shra"):
            numbers[1] = min(right.bits, 128)
        if name == "div" and type_ is not None and type_.is_float:
            return self._push(type_.bits(signed[0] / signed[1]), type_)
        result = _BINARY[name](*numbers)
        self._push(type_.bits(result) if type_ else int(result), type_)
        return None

    def _convert(self, arguments: Arguments) -> None:
        entry, type_ = self._pop(), self._around.base_type(arguments[0])
        number = entry.type.number(entry.bits) if entry.type else entry.bits
        self._push(type_.bits(number) if type_ else int(number), type_)

    def _reinterpret(self, arguments: Arguments) -> None:
        self._push(self._pop().bits, self._around.base_type(arguments[0]))

    def _const_type(self, arguments: Arguments) -> None:
        self._push(int.from_bytes(bytes(arguments[1]), "little"), self._around.base_type(arguments[0]))

    def _regval_type(self, arguments: Arguments) -> None:
        type_ = self._around.base_type(arguments[1])
        value = self._machine.register(self._register_name(arguments[0]))
        size = type_.size if type_ else self._size
        self._push(value & (1 << 8 * size) - 1, type_)

    def _call(self, arguments: Arguments, *, in_unit: bool) -> None:
        self._state.calls += 1
        if self._state.calls > MAX_CALLS:
            raise NotAvailableError("a location that does not come to an end")
        self._inline(self._around.operations_of(arguments[0], in_unit=in_unit))

    def _inline(self, operations: Operations) -> None:
        where = self._run(operations)
        if isinstance(where, InMemory):
            self._push(where.address)
        elif where is not None:
            raise NotAvailableError("a damaged location")

    def _entry_value(self, arguments: Arguments) -> None:
        inner: Operations = tuple(arguments[0])
        is_typed = len(inner) == 1 and name_of(inner[0]) == "regval_type"
        type_ = self._around.base_type(inner[0].args[1]) if is_typed else None
        value = self._around.entry_value(inner)
        self._push(value & (1 << 8 * type_.size) - 1 if type_ else value, type_)

    def _push_object(self, _: Arguments) -> None:
        if self._object_address is None:
            raise NotAvailableError("a location that depends on its object")
        self._push(self._object_address)

    def _variable_value(self, arguments: Arguments) -> None:
        inner = StackMachine(self._around)
        where = inner.location(self._around.operations_of(arguments[0], in_unit=False))
        if isinstance(where, InMemory):
            self._push(self._machine.word(where.address))
        elif isinstance(where, InRegister):
            self._push(self._machine.register(where.name))
        elif isinstance(where, Computed):
            self._push(where.bits)
        else:
            raise NotAvailableError(OPTIMIZED_OUT)


def _signed(bits: int, size: int) -> int:
    sign = 1 << 8 * size - 1
    return (bits ^ sign) - sign if bits & sign else bits


def _quotient(left: float, right: float) -> int:
    """Truncated, as the CPU divides."""
    magnitude = abs(int(left)) // abs(int(right))
    return -magnitude if (left < 0) != (right < 0) else magnitude


_CONSTANTS = frozenset({"1u", "1s", "2u", "2s", "4u", "4s", "8u", "8s", "u", "s"})
_UNSIGNED = frozenset({"and", "or", "xor", "shl", "shr", "mod"})
_BINARY: dict[str, Callable[..., int | float]] = {
    "and": lambda a, b: a & b, "or": lambda a, b: a | b, "xor": lambda a, b: a ^ b,
    "plus": lambda a, b: a + b, "minus": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "div": _quotient, "mod": lambda a, b: a % b,
    "shl": lambda a, b: a << b, "shr": lambda a, b: a >> b, "shra": lambda a, b: a >> b,
}  # fmt: skip
_COMPARISONS: dict[str, Callable[..., bool]] = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
}  # fmt: skip


def _refuse_thread_local(_: StackMachine, __: Arguments) -> None:
    raise NotAvailableError("thread-local storage")


_HANDLERS: dict[str, Callable[[StackMachine, Arguments], None]] = {
    "nop": lambda _, __: None,
    "uninit": lambda _, __: None,
    "addr": lambda machine, arguments: machine._push(machine._around.placed(arguments[0])),
    "addrx": StackMachine._indexed,
    "addr_index": StackMachine._indexed,
    "constx": lambda machine, arguments: machine._push(machine._around.indexed_address(arguments[0])),
    "const_index": lambda machine, arguments: machine._push(machine._around.indexed_address(arguments[0])),
    "fbreg": lambda machine, arguments: machine._push(machine._around.frame_base() + arguments[0]),
    "bregx": lambda machine, arguments: machine._push(machine._register(arguments[0]) + arguments[1]),
    "call_frame_cfa": lambda machine, _: machine._push(machine._around.cfa()),
    "dup": lambda machine, arguments: machine._pick(arguments, 0),
    "drop": StackMachine._drop,
    "over": lambda machine, arguments: machine._pick(arguments, 1),
    "pick": lambda machine, arguments: machine._pick(arguments),
    "swap": StackMachine._swap,
    "rot": StackMachine._rot,
    "deref": lambda machine, _: machine._deref([]),
    "deref_size": StackMachine._deref,
    "deref_type": StackMachine._deref_type,
    "abs": lambda machine, _: machine._unary("abs"),
    "neg": lambda machine, _: machine._unary("neg"),
    "not": lambda machine, _: machine._unary("not"),
    "plus_uconst": StackMachine._plus_uconst,
    "convert": StackMachine._convert,
    "reinterpret": StackMachine._reinterpret,
    "const_type": StackMachine._const_type,
    "regval_type": StackMachine._regval_type,
    "entry_value": StackMachine._entry_value,
    "call2": lambda machine, arguments: machine._call(arguments, in_unit=True),
    "call4": lambda machine, arguments: machine._call(arguments, in_unit=True),
    "call_ref": lambda machine, arguments: machine._call(arguments, in_unit=False),
    "push_object_address": StackMachine._push_object,
    "variable_value": StackMachine._variable_value,
    "form_tls_address": _refuse_thread_local,
    "push_tls_address": _refuse_thread_local,
    "parameter_ref": lambda machine, arguments: machine._push(machine._around.parameter_value(arguments[0])),
}
