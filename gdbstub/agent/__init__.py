"""Agent expressions: the bytecode that gdb sends for conditions, commands and dprintf (GDB manual, Agent
Expressions).

`Expression(bytecode)` verifies once and refuses what is wrong; `evaluate` runs it against a `Frame`. Values
are 64-bit; steps, stack and printed text are bounded.
"""

from gdbstub.agent.expression import Expression
from gdbstub.agent.frame import Frame, TraceFrame

__all__ = ["Expression", "Frame", "TraceFrame"]
