"""Ports whose plain accesses the engine may answer itself, out of memory that their devices keep."""

from __future__ import annotations

from ctypes import Structure
from typing import Protocol


class PortHelper(Protocol):
    """Whether the engine does that cannot be seen. While prepare_interrupts() says observed, all go to the bus."""

    def share_plain_ports(self, ports: range, memory: Structure) -> None:
        """`memory` is a devices.wiring.shared_ports.PlainPorts. Raises EngineError if the engine knows no such."""
        ...

    def share_pm_timer(self, memory: Structure) -> None:
        """`memory` is a devices.board.pm_timer.PmTimerMemory. Raises EngineError if the engine knows no such."""
        ...

    def share_stream_port(self, port: int, memory: Structure) -> None:
        """`memory` is a devices.wiring.shared_ports.StreamPort. Raises EngineError if the engine knows no such."""
        ...
