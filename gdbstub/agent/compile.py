"""A verified expression turned into one Python function, for breakpoints that are hit often.

Only integers and the names below enter the generated source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from gdbstub.agent import interpret as runtime
from gdbstub.agent.frame import Frame
from gdbstub.agent.opcodes import BINARY, LEAVES, MASK, REF_BYTES, Instruction, Op
from gdbstub.agent.verify import stack_depths, successors

_SIGN = 1 << 63
_INLINE = {
    Op.ADD: f"({{}} + {{}}) & {MASK}",
    Op.SUB: f"({{}} - {{}}) & {MASK}",
    Op.MUL: f"({{}} * {{}}) & {MASK}",
    Op.BIT_AND: "{} & {}",
    Op.BIT_OR: "{} | {}",
    Op.BIT_XOR: "{} ^ {}",
    Op.EQUAL: "{} == {}",
    Op.LESS_SIGNED: f"({{}} ^ {_SIGN}) < ({{}} ^ {_SIGN})",
    Op.LESS_UNSIGNED: "{} < {}",
    Op.LOG_NOT: "not {}",
    Op.BIT_NOT: f"~{{}} & {MASK}",
}


def compile_expression(program: Mapping[int, Instruction]) -> Callable[[Frame], int]:
    """A function with the meaning of `interpret` for this program."""
    source = "\n".join(_Generator(program).lines())
    names: dict[str, object] = {
        **{op.name: function for op, function in runtime.ARITHMETIC.items()},
        "print_formatted": runtime.print_formatted,
        "out_of_steps": runtime.out_of_steps,
        "FORMATS": {offset: instruction.format for offset, instruction in program.items()},
        "__builtins__": {"int": int},
    }
    exec(compile(source, "<agent expression>", "exec"), names)
    return cast("Callable[[Frame], int]", names["run"])


class _Generator:
    """Basic blocks in ascending order, each guarded by `at`; a loop around them only for backward jumps.

    Inside a block the stack is symbolic (integers and temporaries); between blocks entry n lives in ``sn``.
    """

    def __init__(self, program: Mapping[int, Instruction]) -> None:
        self.program = program
        jumps = [i for i in program.values() if i.op in (Op.GOTO, Op.IF_GOTO)]
        self.loops = any(i.operand <= i.offset for i in jumps)
        self.leaders = {0} | {target for i in jumps for target in successors(i)}
        self.depths = stack_depths(program)
        self.stack: list[str] = []
        self.temporaries = 0
        self.out: list[str] = []
        self.indent = "    "

    def lines(self) -> list[str]:
        self.out = ["def run(frame):"]
        if len(self.leaders) > 1:
            self.emit("at = 0")
        if self.loops:
            self.emit(f"budget = {runtime.MAX_STEPS}")
            self.emit("while True:")
            self.indent = "        "
        previous: Instruction | None = None
        outer = self.indent
        for offset, instruction in self.program.items():
            if offset in self.leaders:
                if previous is not None and previous.op not in (Op.GOTO, Op.IF_GOTO, Op.END):
                    self.spill()
                    self.emit(f"at = {offset}")
                self.enter(offset, outer)
            self.instruction(instruction)
            previous = instruction
        return self.out

    def emit(self, line: str) -> None:
        self.out.append(self.indent + line)

    def enter(self, offset: int, outer: str) -> None:
        self.stack = [f"s{index}" for index in range(self.depths[offset])]
        self.indent = outer
        if len(self.leaders) > 1:
            self.emit(f"if at == {offset}:")
            self.indent = outer + "    "
        if self.loops:
            self.emit(f"budget -= {self.block_length(offset)}")
            self.emit("if budget < 0: out_of_steps()")

    def block_length(self, leader: int) -> int:
        """Instructions from `leader` up to the next block."""
        later = [offset for offset in self.program if offset > leader]
        end = next((offset for offset in later if offset in self.leaders), None)
        return 1 + sum(end is None or offset < end for offset in later)

    def spill(self) -> None:
        moves = [(f"s{index}", atom) for index, atom in enumerate(self.stack) if atom != f"s{index}"]
        if moves:
            self.emit(f"{', '.join(name for name, _ in moves)} = {', '.join(atom for _, atom in moves)}")

    def push(self, expression: str) -> None:
        name = f"t{self.temporaries}"
        self.temporaries += 1
        self.emit(f"{name} = {expression}")
        self.stack.append(name)

    def instruction(self, instruction: Instruction) -> None:
        op, operand, stack = instruction.op, instruction.operand, self.stack
        if op in BINARY:
            right, left = stack.pop(), stack.pop()
            self.push(_INLINE[op].format(left, right) if op in _INLINE else f"{op.name}({left}, {right})")
        elif op in REF_BYTES:
            self.push(f"frame.memory({stack.pop()}, {REF_BYTES[op]})")
        elif op is Op.REG:
            self.push(f"frame.register({operand})")
        elif op in LEAVES:
            stack.append(str(operand))
        elif op in (Op.LOG_NOT, Op.BIT_NOT):
            self.push(_INLINE[op].format(stack.pop()))
        elif op in (Op.EXT, Op.ZERO_EXT):
            self.extend(op, operand)
        elif op is Op.PRINTF:
            values = stack[len(stack) - operand - 2 :]
            del stack[len(stack) - operand - 2 :]
            self.emit(f"print_formatted(FORMATS[{instruction.offset}], [{', '.join(values)}], frame)")
        elif op in (Op.END, Op.GOTO, Op.IF_GOTO):
            self.branch(instruction)
        else:
            self.shuffle(op, operand)

    def extend(self, op: Op, bits: int) -> None:
        if bits >= 64 or (bits == 0 and op is Op.EXT):
            return
        value, mask, sign = self.stack.pop(), (1 << bits) - 1, 1 << max(bits - 1, 0)
        self.push(f"({value} & {mask} ^ {sign}) - {sign} & {MASK}" if op is Op.EXT else f"{value} & {mask}")

    def shuffle(self, op: Op, operand: int) -> None:
        stack = self.stack
        if op in (Op.DUP, Op.PICK):
            stack.append(stack[-1 - operand])
        elif op is Op.POP:
            stack.pop()
        elif op is Op.SWAP:
            stack[-1], stack[-2] = stack[-2], stack[-1]
        else:
            stack[-3:] = [stack[-1], stack[-3], stack[-2]]

    def branch(self, instruction: Instruction) -> None:
        target = instruction.operand
        if instruction.op is Op.END:
            self.emit(f"return int({self.stack[-1]})" if self.stack else "return 0")
            return
        condition = self.stack.pop() if instruction.op is Op.IF_GOTO else ""
        self.emit(f"at = {target} if {condition} else {instruction.next}" if condition else f"at = {target}")
        self.spill()
