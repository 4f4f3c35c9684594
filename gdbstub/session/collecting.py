"""What a tracepoint's actions keep of one instant."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import assert_never

from gdbstub.agent import Expression, Frame
from gdbstub.errors import ExpressionError, TargetError
from gdbstub.frames import TargetFrame
from gdbstub.requests.tracing import Action, Memory, Registers
from gdbstub.stops import ThreadId
from gdbstub.target import Target
from gdbstub.trace import BUFFER_BYTES, CollectedFrame, Trace

MAX_COLLECTED = 1 << 20
"""Bytes that one action may collect."""


class Collector:
    """agent.TraceFrame over a target's ports: what one frame collects."""

    def __init__(self, target: Target, thread: ThreadId, trace: Trace, frame: Frame | None) -> None:
        """`frame` reads faster than the ports do, where there is one."""
        self._target = target
        self._thread = thread
        self._trace = trace
        self._frame: Frame = frame if frame is not None else TargetFrame(target, thread, lambda _text: None)
        self._kept = CollectedFrame(0, 0, 0, 0)

    def frame(self, tracepoint: int, moment: int, steps: int, actions: Sequence[Action]) -> CollectedFrame:
        """Carry out the actions. One that fails collects nothing; the others do."""
        self._kept = CollectedFrame(moment, steps, tracepoint, 0)
        self._kept.pc = self._pc()
        for action in actions:
            with contextlib.suppress(TargetError, ExpressionError):
                self._act(action)
        return self._kept

    def _pc(self) -> int:
        for number, register in enumerate(self._target.registers.layout):
            if register.generic == "pc":
                return self._keep_register(number)
        return 0

    def _keep_register(self, number: int) -> int:
        value = self._target.registers.read(self._thread, number)
        if value is None:
            return 0
        self._kept.registers[number] = value
        return int.from_bytes(value, self._target.byte_order)

    def _act(self, action: Action) -> None:
        match action:
            case Registers(numbers):
                for number in numbers:
                    if number < len(self._target.registers.layout):
                        self._keep_register(number)
            case Memory(base, offset, length):
                start = self._frame.register(base) if base is not None else 0
                self.collect(start + offset & (1 << 64) - 1, length)
            case Expression():
                action.evaluate(self)
            case _:
                assert_never(action)

    def collect(self, address: int, size: int) -> None:
        if size > MAX_COLLECTED or self._kept.size + size > BUFFER_BYTES:
            raise ExpressionError(f"{size:#x} bytes are more than one action may collect")
        if size:
            self._kept.memory.append((address, self._target.memory.read(self._thread, address, size)))

    def register(self, number: int) -> int:
        return self._frame.register(number)

    def memory(self, address: int, size: int) -> int:
        return self._frame.memory(address, size)

    def text(self, address: int, limit: int) -> bytes:
        return self._frame.text(address, limit)

    def print(self, text: str) -> None:
        self._frame.print(text)

    def variable(self, number: int) -> int:
        return self._trace.variables.get(number, 0)

    def set_variable(self, number: int, value: int) -> None:
        if number in self._trace.variables:
            self._trace.variables[number] = value

    def collect_variable(self, number: int) -> None:
        self._kept.variables[number] = self.variable(number)
