"""From text to a closure that gives its value: no Python code of the user is ever executed.

The tree of ast.parse() is turned into nested closures once, so that a condition on a hot breakpoint costs a
few microseconds. Whatever is not listed here is refused.
"""

from __future__ import annotations

import ast
import inspect
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from vmdbg.c.content import NotAvailableError
from vmdbg.c.extent import Sort
from vmdbg.errors import VmdbgError
from vmdbg.expressions.basic_types import basic_type
from vmdbg.expressions.c_forms import MEMBER_MARK
from vmdbg.expressions.characters import as_numbers, character
from vmdbg.expressions.errors import ExpressionError
from vmdbg.expressions.operators import BINARY, COMPARE, ELEMENT, ELEMENTS, UNARY
from vmdbg.expressions.parsing import parsed
from vmdbg.expressions.scope import Scope
from vmdbg.expressions.spelling import DOLLAR
from vmdbg.expressions.values import ExpressionValue, MemoryView, Placed, TypedValue, describe, whole
from vmdbg.expressions.wanted import Wanted, names_in_sum
from vmdbg.x86.registers import BY_NAME

MAX_TEXT = 8192
MAX_QUOTED = 60
MAX_DEPTH = 200
MAX_STEPS = 1 << 22
_MISTAKES = (
    ArithmeticError,
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    RecursionError,
    MemoryError,
)


@dataclass(slots=True)
class _Run:
    """One evaluation: the variables of comprehensions and how much it may still do."""

    local: dict[str, ExpressionValue] = field(default_factory=dict)
    steps: int = MAX_STEPS

    def charge(self, value: ExpressionValue) -> ExpressionValue:
        """The value, counted by its size. Raises ExpressionError when it was too much for one evaluation."""
        if isinstance(value, list | tuple | range):
            self.steps -= len(value)
        elif isinstance(value, bytes | str):
            self.steps -= len(value) >> 4
        self.steps -= 1
        if self.steps < 0:
            raise ExpressionError(f"gave up after {MAX_STEPS} steps")
        return value


_Closure = Callable[[_Run], ExpressionValue]


@dataclass(frozen=True, slots=True)
class Expression:
    """Compiled text. `evaluate` reads the guest as it stands then. `unknown`: names that meant nothing yet.

    `never`: why it is false wherever the guest stands, "" where nothing says so. `valued`: names that stand for what
    is held there, if they are those of variables.
    """

    text: str
    _closure: _Closure
    unknown: tuple[str, ...] = ()
    never: str = ""
    valued: tuple[str, ...] = ()

    def evaluate(self) -> ExpressionValue:
        """Raises ExpressionError, or the UserError of an address that cannot be read."""
        try:
            return self._closure(_Run())
        except NotAvailableError as error:
            raise ExpressionError(f"{_short(self.text)}: {error}") from error
        except VmdbgError:
            raise
        except _MISTAKES as error:
            raise ExpressionError(f"{_short(self.text)}: {error}") from error


Getters = Mapping[str, Callable[[], ExpressionValue]]
"""Names that one expression knows beyond its scope, as `value` in a watchpoint's condition."""


def compile_expression(
    text: str, scope: Scope, extra: Getters | None = None, *, wanted: Wanted = Wanted.PLACE
) -> Expression:
    """`wanted`: what a symbol means that names a variable. Raises ExpressionError with the place of the mistake."""
    if len(text) > MAX_TEXT:
        raise ExpressionError(f"an expression of {len(text)} characters is too long (at most {MAX_TEXT})")
    try:
        tree = parsed(text)
        if tree is None:
            raise ExpressionError("an expression is missing")
        compiler = _Compiler(scope, text, extra or {}, wanted)
        closure = compiler.compile(tree)
        never = compiler.why_never(tree)
        return Expression(text, closure, tuple(compiler.unknown), never, tuple(dict.fromkeys(compiler.valued)))
    except SyntaxError as error:
        raise ExpressionError(f"{_short(text)!r} is no expression: {_reason(error)}") from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise ExpressionError(f"{_short(text)!r}: nested too deeply, or not text") from error


def _short(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def _reason(error: SyntaxError) -> str:
    place = f" at character {error.offset}" if error.offset else ""
    return f"{error.msg}{place}"


class _Compiler:
    def __init__(self, scope: Scope, text: str, extra: Getters, wanted: Wanted) -> None:
        self._scope = scope
        self._wanted = wanted
        self._extra = extra
        self._text = _short(text)
        self._local: set[str] = set()
        self._depth = 0
        self.unknown: list[str] = []
        self.valued: list[str] = []

    def compile(self, node: ast.expr) -> _Closure:
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method is None:
            raise ExpressionError(f"{self._text!r}: {type(node).__name__} cannot be used in an expression")
        if self._depth == MAX_DEPTH:
            raise ExpressionError(f"{self._text!r}: nested deeper than {MAX_DEPTH} operators")
        self._depth += 1
        made: _Closure = method(node)
        self._depth -= 1
        return made

    def _part(self, node: ast.expr, wanted: Wanted = Wanted.VALUE) -> _Closure:
        """A part of which something else is wanted than of the whole."""
        before, self._wanted = self._wanted, wanted
        made = self.compile(node)
        self._wanted = before
        return made

    def why_never(self, node: ast.expr) -> str:
        """Why this is never true: it wants a CPU that the guest has not."""
        match node:
            case ast.UnaryOp(op=ast.Not(), operand=ast.UnaryOp(op=ast.Not(), operand=inner)):
                return self.why_never(inner)
            case ast.BoolOp(op=ast.And(), values=values):
                return next(filter(None, map(self.why_never, values)), "")
            case ast.Compare(left=ast.Name() as name, ops=[ast.Eq()], comparators=[ast.Constant(value=int(wanted))]):
                cpus = len(self._scope.debugger.cpus)
                plain = name.id.removeprefix(DOLLAR)
                if plain == "cpu" and self._is_register(name.id) and not 0 <= wanted < cpus:
                    return f"there is no CPU {wanted}: the guest has {cpus}, counted from 0"
        return ""

    def _is_register(self, name: str) -> bool:
        plain = name.removeprefix(DOLLAR)
        if plain in self._local or plain in self._extra or plain in self._scope.variables:
            return False
        return plain in self._scope.registers and (plain != name or not self._program_has(name))

    def _constant(self, node: ast.Constant) -> _Closure:
        value = node.value
        if not isinstance(value, int | float | str | bytes | bool | None):
            raise ExpressionError(f"{self._text!r}: {value!r} cannot be used in an expression")
        return lambda _: value

    def _name(self, node: ast.Name) -> _Closure:
        value, wanted = self._named(node), self._wanted
        if wanted is Wanted.PLACE or not self._may_be_symbol(node.id):
            return value
        name, scope = node.id.removeprefix(DOLLAR), self._scope
        if wanted is Wanted.VALUE:
            self.valued.append(name)
        known: dict[tuple[int, int], ExpressionValue] = {}

        def held(run: _Run) -> ExpressionValue:
            found = value(run)
            if type(found) is not int:
                return found
            generation = scope.generation()
            key = generation or 0, found
            if generation is None or key not in known:
                known.clear()
                known[key] = wanted.of(found, scope.variable_at_symbol(name))
            return known[key]

        return held

    def _may_be_symbol(self, name: str) -> bool:
        """Whether nothing goes before a symbol of that name."""
        plain = name.removeprefix(DOLLAR)
        return not (plain in self._local or plain in self._extra or self._scope.goes_before_symbols(plain))

    def _named(self, node: ast.Name) -> _Closure:
        name = node.id.removeprefix(DOLLAR)
        if name in self._local:
            return lambda run: run.local[name]
        if name in self._extra:
            get = self._extra[name]
            return lambda _: get()
        known = self._scope.lookup(name)
        if name == node.id and self._scope.program is not None:
            if known is None and not self._program_has(name):
                self.unknown.append(name)
            return lambda _: self._in_program(name, known)
        if known is not None:
            return lambda _: known()
        self.unknown.append(name)
        return lambda _: self._late(name)()

    def _program_has(self, name: str) -> bool:
        """Whether the program has a variable of this name where the guest stands, be it readable or not."""
        try:
            return self._scope.program is not None and self._scope.program(name) is not None
        except VmdbgError:
            return True

    def _in_program(self, name: str, known: Callable[[], ExpressionValue] | None) -> ExpressionValue:
        """What the name means where the guest stands: a variable of the program goes before all but the user's own."""
        program = self._scope.program
        if program is not None and name not in self._scope.variables:
            found = program(name)
            if found is not None:
                return found
        return known() if known is not None else self._late(name)()

    def _late(self, name: str) -> Callable[[], ExpressionValue]:
        """A name that meant nothing when the text was compiled; symbols may have appeared since."""
        get = self._scope.lookup(name)
        if get is None:
            raise ExpressionError(f"there is no register, symbol or variable {name!r}")
        return get

    def _binop(self, node: ast.BinOp) -> _Closure:
        operation = BINARY.get(type(node.op))
        if operation is None:
            raise ExpressionError(f"{self._text!r}: this operator cannot be used in an expression")
        is_place = isinstance(node.op, ast.Add | ast.Sub) and names_in_sum(node, self._may_be_symbol) < 2
        wanted = self._wanted if is_place else Wanted.VALUE
        wanted = Wanted.PLACE if wanted is Wanted.POINTER else wanted
        left, right = self._part(node.left, wanted), self._part(node.right, wanted)
        is_sum = isinstance(node.op, ast.Add)  # which puts texts together

        def combined(run: _Run) -> ExpressionValue:
            one, other = _operand(left(run)), _operand(right(run))
            if (type(one) is str or type(other) is str) and not (is_sum and type(one) is type(other)):
                one, other = as_numbers(one, other)
            return operation(one, other)

        return combined

    def _unaryop(self, node: ast.UnaryOp) -> _Closure:
        operation, operand = UNARY[type(node.op)], self._part(node.operand)
        return lambda run: operation(character(_operand(operand(run))))

    def _boolop(self, node: ast.BoolOp) -> _Closure:
        """The operand that decides, as Python has it."""
        *others, last = [self._part(value) for value in node.values]
        decides = operator.not_ if isinstance(node.op, ast.And) else operator.truth

        def decisive(run: _Run) -> ExpressionValue:
            for part in others:
                value = part(run)
                if decides(value):
                    return value
            return last(run)

        return decisive

    def _compare(self, node: ast.Compare) -> _Closure:
        first = self._part(node.left)
        rest = [(COMPARE[type(op)], self._part(value)) for op, value in zip(node.ops, node.comparators, strict=True)]
        if len(rest) == 1:
            operation, other = rest[0]
            return lambda run: operation(*_comparable(first(run), other(run)))

        def chain(run: _Run) -> bool:
            left = first(run)
            for operation, other in rest:
                right = other(run)
                if not operation(*_comparable(left, right)):
                    return False
                left = right
            return True

        return chain

    def _ifexp(self, node: ast.IfExp) -> _Closure:
        test = self._part(node.test)
        then, otherwise = self.compile(node.body), self.compile(node.orelse)
        return lambda run: then(run) if character(test(run)) else otherwise(run)

    def _tuple(self, node: ast.Tuple) -> _Closure:
        if not node.elts:
            raise ExpressionError(f"{self._text[:40]!r}: an expression is missing between the parentheses")
        parts = [self.compile(part) for part in node.elts]
        return lambda run: tuple(part(run) for part in parts)

    def _list(self, node: ast.List) -> _Closure:
        parts = [self.compile(part) for part in node.elts]
        return lambda run: [part(run) for part in parts]

    def _slice(self, node: ast.Slice) -> _Closure:
        parts = [self.compile(part) if part is not None else None for part in (node.lower, node.upper, node.step)]
        return lambda run: slice(*(part(run) if part is not None else None for part in parts))

    def _subscript(self, node: ast.Subscript) -> _Closure:
        value = self._object(node.value)
        index = self._part(node.slice, Wanted.PLACE if self._is_memory(node.value) else Wanted.VALUE)

        def item(run: _Run) -> ExpressionValue:
            container = value(run)
            if not isinstance(container, MemoryView | str | bytes | list | tuple | range | TypedValue):
                raise ExpressionError(f"{describe(container)} cannot be indexed; memory is mem[address]")
            which = _operand(index(run))
            if type(which) is str and isinstance(container, MemoryView | TypedValue):
                which = character(which)
            found = ELEMENT(container, which)
            return found if type(found) is int else run.charge(found)

        return item

    def _is_memory(self, node: ast.expr) -> bool:
        """Whether this is `mem` or `phys`, whose elements go by address."""
        return isinstance(node, ast.Name) and isinstance(getattr(self._scope, node.id, None), MemoryView)

    def _attribute(self, node: ast.Attribute) -> _Closure:
        field_ = self._register_field(node)
        if field_ is not None:
            return field_
        value, name = self._object(node.value), node.attr.removesuffix(MEMBER_MARK)

        def member(run: _Run) -> ExpressionValue:
            container = value(run)
            if not isinstance(container, TypedValue):
                raise ExpressionError(f"{describe(container)} has no member {name!r}")
            return container.member_(name)

        return member

    def _object(self, node: ast.expr) -> _Closure:
        """What has members or elements: the name of a symbol, which is an address else, is its variable here."""
        value = self._part(node, Wanted.PLACE)
        if not isinstance(node, ast.Name) or node.id in self._local:
            return value
        name = node.id.removeprefix(DOLLAR)

        def variable(run: _Run) -> ExpressionValue:
            found = value(run)
            typed = self._scope.variable_at_symbol(name) if type(found) is int else None
            return found if typed is None else typed

        return variable

    def _register_field(self, node: ast.Attribute) -> _Closure | None:
        """`cr0.PG`, `rflags.IF`: a field by its name in the manual."""
        if not isinstance(node.value, ast.Name):
            return None
        named = node.value.id.removeprefix(DOLLAR)
        if named not in self._scope.registers or (named == node.value.id and self._is_of_program(named)):
            return None
        register = BY_NAME.get(self._scope.registers.canonical(named))
        for spec in register.layout if register is not None else ():
            if spec.name.lower() == node.attr.lower():
                value = self.compile(node.value)
                return lambda run: spec.extract(whole(value(run)))
        raise ExpressionError(f"the register {named} has no field {node.attr!r}")

    def _is_of_program(self, name: str) -> bool:
        program = self._scope.program
        return program is not None and name not in self._scope.variables and program(name) is not None

    def _call(self, node: ast.Call) -> _Closure:
        if not isinstance(node.func, ast.Name) or node.keywords:
            raise ExpressionError(f"{self._text!r}: only functions by name, without keywords, can be called")
        name = node.func.id.removeprefix(DOLLAR)
        function = self._scope.functions.get(name)
        if function is None:
            known = ", ".join(sorted(self._scope.functions))
            raise ExpressionError(f"there is no function {name!r} for expressions; there are: {known}")
        quoted = self._with_quoted_name(name, node.args)
        if name == "sizeof" and len(quoted) == 1:
            arguments = [self._sized(quoted[0])]
        else:
            arguments = [self._part(argument, self._wanted_by(name, quoted)) for argument in quoted]
        _check_arguments(name, function, arguments)

        def call(run: _Run) -> ExpressionValue:
            values = [argument(run) for argument in arguments]
            for value in values:
                if type(value) is not int:
                    run.charge(value)
            return function(*values)

        return call

    def _sized(self, node: ast.expr) -> _Closure:
        """What sizeof() is of: a type by its name, where that means nothing else."""
        if not isinstance(node, ast.Name):
            return self._part(node, Wanted.PLACE)
        name = node.id
        means = name in self._local or name in self._extra or self._scope.lookup(name) is not None
        if basic_type(name) is None and (means or name.startswith(DOLLAR) or self._program_has(name)):
            return self._object(node)
        return lambda _: name

    def _wanted_by(self, function: str, arguments: list[ast.expr]) -> Wanted:
        """What a function takes a variable for: most take addresses, as `u64(ticks)`."""
        match function, arguments:
            case "abs" | "min" | "max", _:
                return Wanted.VALUE
            case "cast", [ast.Constant(value=str(type_)), *_]:
                return Wanted.POINTER if type_.endswith("*") else Wanted.VALUE
            case "deref", _:
                return Wanted.POINTER
        return Wanted.PLACE

    def _with_quoted_name(self, function: str, arguments: list[ast.expr]) -> list[ast.expr]:
        """C writes offsetof(struct file, f_pos.x) without quotes. What holds a value of the user's is that value."""
        index = self._scope.named_arguments.get(function)
        if index is None or not arguments:
            return arguments
        argument = arguments[index]
        if isinstance(argument, ast.Name) and (argument.id in self._local or argument.id in self._scope.variables):
            return arguments
        if not isinstance(argument, ast.Name | ast.Attribute):
            return arguments
        quoted = list(arguments)
        quoted[index] = ast.Constant(ast.unparse(argument).replace(MEMBER_MARK, ""))
        return quoted

    def _listcomp(self, node: ast.ListComp | ast.GeneratorExp) -> _Closure:
        generator, target = node.generators[0], node.generators[0].target
        if len(node.generators) != 1 or not isinstance(target, ast.Name):
            raise ExpressionError(f"{self._text!r}: one `for name in ...` at a time")
        name = target.id
        source = self.compile(generator.iter)
        fresh = name not in self._local
        self._local.add(name)
        element = self.compile(node.elt)
        tests = [self.compile(test) for test in generator.ifs]
        if fresh:
            self._local.discard(name)

        def items(run: _Run) -> list[ExpressionValue]:
            found = []
            for value in ELEMENTS(source(run)):
                run.charge(None)
                run.local[name] = value
                if all(test(run) for test in tests):
                    found.append(run.charge(element(run)))
            return found

        return items

    _generatorexp = _listcomp


def _check_arguments(name: str, function: Callable[..., ExpressionValue], arguments: list[_Closure]) -> None:
    """Raises ExpressionError for too many or too few; Python's own functions find out when they are called."""
    try:
        wanted = inspect.signature(function)
    except ValueError:
        return
    try:
        wanted.bind(*arguments)
    except TypeError as error:
        raise ExpressionError(f"{name}(): {error}") from error


def _comparable(left: ExpressionValue, right: ExpressionValue) -> tuple[ExpressionValue, ExpressionValue]:
    """Beside text, an array of characters or a pointer to them counts as the text that is there; a number as one."""
    if isinstance(left, str) or isinstance(right, str):
        return as_numbers(_number(left), _number(right))
    return _plain(left), _plain(right)


def _operand(value: ExpressionValue) -> ExpressionValue:
    """What arithmetic takes a value for. Raises what keeps it from having a number: that it is optimized out, say."""
    if isinstance(value, int | str | bytes | float) or not isinstance(value, TypedValue):
        return value
    return value.number_()


def _number(value: ExpressionValue) -> ExpressionValue:
    """What is a number by its type; all else as it is."""
    if not isinstance(value, TypedValue) or not isinstance(value, Placed) or value.extent_().sort is not Sort.NUMBER:
        return value
    return _plain(value)


def _plain(value: ExpressionValue) -> ExpressionValue:
    """Typed scalars count as their numbers in comparisons; what has none is compared as it is."""
    if isinstance(value, int | str | bytes | float) or not isinstance(value, TypedValue):
        return value
    try:
        return value.number_()
    except (TypeError, ValueError, VmdbgError):
        return value
